// A table that sorts on its numbers when a head is pressed, and tells which line was chosen. Keyboard: Tab, Enter or Space.
const order = {column: null, sign: 1};

function sort() {
  const body = element.querySelector("tbody");
  if (!body || order.column === null) return;
  const key = (row) => row.cells[order.column]?.dataset.v ?? row.cells[order.column]?.innerText;
  const rows = [...body.rows].sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === "" || y === "") return (x === "") - (y === "");  // what has no value stands last, whichever way
    const [p, q] = [Number(x), Number(y)];
    return order.sign * (Number.isNaN(p) || Number.isNaN(q) ? x.localeCompare(y) : p - q);
  });
  body.append(...rows);
  for (const head of element.querySelectorAll("thead th")) {
    const sorted = head.cellIndex === order.column;
    head.ariaSort = sorted ? (order.sign > 0 ? "ascending" : "descending") : "none";
  }
}

element.addEventListener("click", (event) => {
  const head = event.target.closest("thead th");
  if (head) {
    const first = head.dataset.first === "desc" ? -1 : 1;
    order.sign = order.column === head.cellIndex ? -order.sign : first;
    order.column = head.cellIndex;
    return sort();
  }
  choose(event.target.closest("tbody tr[data-line]"));
});
element.addEventListener("keydown", (event) => {
  const row = event.target.closest("tbody tr[data-line]");
  if (!row || (event.key !== "Enter" && event.key !== " ")) return;
  event.preventDefault();  // or the space bar would scroll
  choose(row);
});

function choose(row) {
  if (!row) return;
  for (const other of element.querySelectorAll("tr[aria-selected]")) other.removeAttribute("aria-selected");
  row.ariaSelected = true;
  trigger("select", {index: Number(row.dataset.line), value: row.cells[0].innerText});
}

watch("value", sort);
