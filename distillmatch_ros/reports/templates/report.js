// Interactions of the report, which is complete without them.
"use strict";

// Pictures: slider between two, and the choice of a view.
for (const slider of document.querySelectorAll(".slider")) {
  const range = slider.querySelector("input");
  const show = () => slider.style.setProperty("--at", `${range.value}%`);
  range.addEventListener("input", show);
  show();
}
for (const tabs of document.querySelectorAll(".tabs")) {
  tabs.addEventListener("change", (event) => {
    for (const view of tabs.parentElement.querySelectorAll(".view"))
      view.hidden = view.dataset.view !== event.target.value;
  });
}

// A picture at its full size.
const dialog = document.querySelector("dialog");
for (const button of document.querySelectorAll(".enlarge")) {
  button.addEventListener("click", () => {
    const small = button.querySelector("img"), large = dialog.querySelector("img");
    for (const name of ["src", "alt", "width", "height"]) large[name] = small.getAttribute(name);
    dialog.showModal();
  });
}
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});

// The table: filter and sort.
const form = document.querySelector(".filter");
if (form) {
  const body = document.querySelector("#table tbody");
  const rows = [...body.rows];
  const filter = () => {
    const text = form.text.value.trim().toLowerCase(), kind = form.kind.value;
    let shown = 0;
    for (const row of rows) {
      row.hidden =
        (kind !== "" && row.dataset.kind !== kind) || !row.textContent.toLowerCase().includes(text);
      shown += !row.hidden;
    }
    const told = form.querySelector("output");
    told.textContent = `${shown} of ${rows.length} ${told.dataset.noun}`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());

  const heads = [...document.querySelectorAll("#table th")];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const number = head.classList.contains("number");
      const keys = new Map(rows.map((row) => {
        const text = row.cells[column].textContent.trim();
        return [row, number ? parseFloat(text.replaceAll(",", "")) : text];
      }));
      const compare = (a, b) => {
        const [x, y] = [keys.get(a), keys.get(b)];
        if (number && (isNaN(x) || isNaN(y))) return isNaN(x) - isNaN(y);  // unknown values last
        return (number ? x - y : x.localeCompare(y)) * (descending ? -1 : 1);
      };
      rows.sort(compare);
      body.append(...rows);
    });
  });
}
