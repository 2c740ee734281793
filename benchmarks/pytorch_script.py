"""The paper's models in plain PyTorch, eager mode: what the project is measured against.

python pytorch_script.py model_1 --suite sample --encoders DIR --memory-format channels_last

The data lies in memory as one tensor that a permutation indexes, which is faster than a DataLoader. Training
loss is summed on the way, validation runs after each epoch, the best weights are restored, and the restored
model is measured on training and validation images: the work that a run of the project does.
"""

from copy import deepcopy

import script
import torch
from torch import nn

EVALUATION_BATCH = 1000


def encoder(latent_dim, dropout):
    """Return an encoder: images `(n, 1, 28, 28)` to codes `(n, latent_dim)`."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3),  # 28x28 -> 26x26
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.MaxPool2d(2),  # 26x26 -> 13x13
        nn.Conv2d(16, 32, 3),  # 13x13 -> 11x11
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.MaxPool2d(2),  # 11x11 -> 5x5
        nn.Flatten(),
        nn.Linear(32 * 5 * 5, latent_dim),
        nn.ReLU(),
        nn.Dropout(dropout),
    )


def decoder(latent_dim, dropout, upsampling):
    """Return a decoder: codes `(n, latent_dim)` to images `(n, 1, 28, 28)`."""
    (kernel_1, kernel_2), padding = ((4, 3), 1) if upsampling == "output_padding" else ((5, 4), 0)
    return nn.Sequential(
        nn.Linear(latent_dim, 32 * 5 * 5),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Unflatten(1, (32, 5, 5)),
        nn.ConvTranspose2d(32, 16, kernel_1, stride=2, output_padding=padding),  # 5x5 -> 13x13
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.ConvTranspose2d(16, 1, kernel_2, stride=2, output_padding=padding),  # 13x13 -> 28x28
        nn.Sigmoid(),
    )


def build(params, encoders):
    """Return the model of a run; a classifier's encoder comes from its autoencoder's file."""
    first = encoder(params.latent_dim, params.dropout)
    if params.kind == "autoencoder":
        model = nn.Sequential(first, decoder(params.latent_dim, params.dropout, params.upsampling))
    else:
        if encoders:
            first.load_state_dict(torch.load(encoders / f"{params.encoder_from}.pt"))
        first.requires_grad_(params.train_encoder)
        last = [nn.ReLU()] if params.final_activation == "relu" else []
        model = nn.Sequential(first, nn.Linear(params.latent_dim, 10), *last)
    return model


@torch.no_grad()
def measure(model, images, targets, loss_function):
    """Return the mean loss over all images, and accuracy where the targets are labels; dropout off."""
    model.eval()
    loss, right = 0.0, 0
    for x, y in zip(images.split(EVALUATION_BATCH), targets.split(EVALUATION_BATCH)):
        outputs = model(x)
        loss += loss_function(outputs, y) * len(x)
        right += (outputs.argmax(1) == y).sum() if y.ndim == 1 else 0
    return float(loss) / len(images), float(right) / len(images)


def fit(model, train, val, params, loss_function):
    """Train with early stopping and restore the best epoch's weights; return the times as `script.report`."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.SGD(weights, lr=params.learning_rate)
    if params.optimizer == "adam":
        optimizer = torch.optim.Adam(weights, lr=params.learning_rate, eps=params.epsilon)
    images, targets = train
    times = [script.now()]
    best, best_weights, waited = float("inf"), None, 0
    for _ in range(params.epochs):
        model.train()
        total = 0.0
        for batch in torch.randperm(len(images)).split(params.batch_size):
            x = images[batch]
            y = x if targets is images else targets[batch]
            optimizer.zero_grad()
            loss = loss_function(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(batch)
        val_loss, _ = measure(model, *val, loss_function)
        times.append(script.now())
        waited += 1
        if val_loss < best - params.min_delta:
            best, best_weights, waited = val_loss, deepcopy(model.state_dict()), 0
        if waited >= params.patience:
            break
    model.load_state_dict(best_weights)
    return times


def tensors(images, targets, layout):
    """Return images and targets as tensors; an autoencoder's targets are the images themselves."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=layout)
    return x, x if targets is images else torch.from_numpy(targets.astype("int64"))


def main(given):
    """Train the models named on the command line."""
    layout = torch.channels_last if given.memory_format == "channels_last" else torch.contiguous_format
    fits = {}
    for name in given.models:
        params, *parts = script.run(name, given)
        torch.manual_seed(0)
        train, val = (tensors(*part, layout) for part in parts)
        model = build(params, given.encoders).to(memory_format=layout)
        autoencoder = params.kind == "autoencoder"
        loss = nn.functional.mse_loss if autoencoder else nn.functional.cross_entropy
        fits[name] = len(train[0]), fit(model, train, val, params, loss)
        if given.encoders:  # a whole run, not a measurement of `fit` alone
            for part in (train, val):
                print(measure(model, *part, loss))
            torch.save(model.state_dict(), given.encoders / f"{name}.model.pt")
            if autoencoder:
                torch.save(model[0].state_dict(), given.encoders / f"{name}.pt")
    script.report(fits)


if __name__ == "__main__":
    parser = script.arguments(__doc__)
    parser.add_argument("--memory-format", choices=("contiguous", "channels_last"), default="contiguous")
    main(parser.parse_args())
