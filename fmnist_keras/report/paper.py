"""What the paper reports, in numbers, and nothing of ours (paper.md; L. Ochotorena, 2023)."""

# The suites whose runs are compared with the paper: as our files have it, and as the studies read it.
SUITES = ("paper", "reading")

# Cuadros I and II; epsilon is in their captions. What the paper leaves unsaid (`min_delta`, say) is not here.
ADAM = dict(optimizer="adam", learning_rate=0.001, epsilon=1e-8)
HYPERPARAMETERS = {
    "model_1": dict(latent_dim=64, dropout=0.2, batch_size=100) | ADAM,
    "model_2": dict(latent_dim=256, dropout=0.3, batch_size=1000) | ADAM,
    "model_3": dict(latent_dim=64, dropout=0.3, batch_size=1000, optimizer="sgd", learning_rate=0.01),
    "model_4": dict(latent_dim=128, dropout=0.3, batch_size=1000) | ADAM,
    "model_5": dict(latent_dim=64, dropout=0.2, batch_size=100)
    | ADAM
    | dict(encoder_from="model_1", final_activation="relu"),
    "model_6": dict(latent_dim=256, dropout=0.3, batch_size=1000)
    | ADAM
    | dict(encoder_from="model_2", final_activation="relu"),
    "model_7": dict(latent_dim=128, dropout=0.3, batch_size=100)
    | ADAM
    | dict(encoder_from="model_4", final_activation="relu"),
    "model_8": dict(latent_dim=128, dropout=0.3, batch_size=1000)
    | ADAM
    | dict(encoder_from="model_4", final_activation=None),
}

# Table III (cuadro III): cross entropy in nats, accuracy in [0, 1], at the best epoch.
RESULTS = {
    "model_5": {"train loss": 0.236, "val loss": 0.283, "train accuracy": 0.918, "val accuracy": 0.900},
    "model_6": {"train loss": 0.242, "val loss": 0.290, "train accuracy": 0.931, "val accuracy": 0.904},
    "model_7": {"train loss": 0.237, "val loss": 0.285, "train accuracy": 0.925, "val accuracy": 0.902},
    "model_8": {"train loss": 0.641, "val loss": 0.657, "train accuracy": 0.806, "val accuracy": 0.793},
}

# Section III: epochs run and the best epoch. Of the autoencoders section II says only "the last".
EPOCHS = {"model_5": (38, 15), "model_6": (40, 40), "model_7": (38, 19), "model_8": (40, 40)}

# The margins of statement C16: how far from the paper's number the interval of our runs may reach.
TOLERANCE = {"loss": 0.03, "accuracy": 0.01}

# Not the paper's: test accuracies that the data set's own README lists, as its readers sent them in, for
# networks of two convolutions with neither batch normalisation nor augmentation (Zalando Research,
# Fashion-MNIST, section "Benchmark"; the copy in Debian's dataset-fashion-mnist, 2020-05-23).
BENCHMARK = [
    ("2 Conv + pooling", 0.876, "Kashif Rasul"),
    ("2 Conv + pooling", 0.916, "TensorFlow's documentation"),
    ("2 Conv + pooling + ELU", 0.903, "@AbhirajHinge"),
    ("2 Conv, under 100 K parameters", 0.925, "@hardmaru"),
    ("2 Conv, about 113 K parameters, normalised input", 0.922, "Abel G."),
    ("2 Conv + 3 FC, about 1.8 M parameters, normalised input", 0.932, "@Xfan1025"),
]


def distance(model, number, ours):
    """Return ours minus the paper's number of Table III: nats, or parts of one.

    Args:
        model: such as "model_5".
        number: such as "val loss", a key of `RESULTS`.
        ours: a number or an array.
    """
    return ours - RESULTS[model][number]
