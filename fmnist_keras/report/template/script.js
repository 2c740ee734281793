// What the page does beyond being read; without it everything is there, unfolded, unsorted and in its own size.
"use strict";
const create = (name, properties) => Object.assign(document.createElement(name), properties);

// On a phone the contents are folded.
const contents = document.querySelector("nav details");
const wide = matchMedia("(min-width: 70rem)");
const fold = () => { contents.open = wide.matches; };
fold();
wide.addEventListener("change", fold);

// Figures enlarge.
const dialog = document.body.appendChild(create("dialog", {}));
dialog.setAttribute("aria-label", "Enlarged figure");
dialog.addEventListener("click", () => dialog.close());
for (const image of document.querySelectorAll("main img")) {
  const button = create("button", {type: "button", className: "figure", title: "Enlarge"});
  image.replaceWith(button);
  button.append(image);
  button.addEventListener("click", () => {
    const large = image.cloneNode();
    large.removeAttribute("width");
    dialog.replaceChildren(create("button", {type: "button", textContent: "Close"}), large);
    dialog.showModal();
  });
}

// On a phone, a row of a table of sentences becomes a paragraph a cell, with its column's name.
for (const table of document.querySelectorAll("table.stack")) {
  const names = [...table.querySelectorAll("thead th")].map(cell => cell.textContent.trim());
  for (const row of table.tBodies[0].rows)
    [...row.cells].forEach((cell, i) => { cell.dataset.name = names[i]; });
}

// Tables that sort by a column, and show the rows that hold what is typed.
for (const table of document.querySelectorAll("table.sortable")) {
  const rows = [...table.tBodies[0].rows];
  const value = (row, i) => {
    const text = row.cells[i].textContent.trim(), number = Number(text.replaceAll(",", ""));
    return text === "" || Number.isNaN(number) ? text : number;
  };
  const input = create("input", {type: "search", placeholder: "Filter rows"});
  input.setAttribute("aria-label", "Filter rows");
  const shown = create("span", {className: "shown"});
  shown.setAttribute("role", "status");
  const filter = () => {
    const sought = input.value.trim().toLowerCase();
    for (const row of rows) row.hidden = ![...row.cells].some(cell => cell.textContent.toLowerCase().includes(sought));
    shown.textContent = ` ${rows.filter(row => !row.hidden).length} of ${rows.length} rows`;
  };
  input.addEventListener("input", filter);
  const bar = create("p", {className: "filter"});
  bar.append(input, shown);
  table.before(bar);
  filter();
  [...table.tHead.rows[0].cells].forEach((head, i) => {
    const button = create("button", {type: "button", textContent: head.textContent});
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down === 1 ? "ascending" : "descending");
      rows.sort((a, b) => {
        const [x, y] = [value(a, i), value(b, i)];
        const both = typeof x === "number" && typeof y === "number";
        return down * (both ? x - y : String(x).localeCompare(String(y), "en", {numeric: true}));
      });
      table.tBodies[0].append(...rows);
    });
  });
}

// What is wider than the page says so, and a keyboard reaches it; what is not is no stop on the way.
for (const box of document.querySelectorAll(".scroll")) {
  const sign = create("p", {className: "more", textContent: "↔ wider than the page: scroll sideways"});
  box.before(sign);
  const check = () => {
    sign.hidden = box.scrollWidth <= box.clientWidth + 1;
    box.tabIndex = sign.hidden ? -1 : 0;
  };
  new ResizeObserver(check).observe(box);
  check();
}

// A link to one claim opens its comparisons.
const open = () => {
  const details = document.getElementById(decodeURIComponent(location.hash.slice(1)))?.querySelector("details");
  if (details?.closest(".claim")) details.open = true;
};
open();
addEventListener("hashchange", open);
