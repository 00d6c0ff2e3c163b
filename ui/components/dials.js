// Native sliders, each with a number field; every move is sent to the server.
// One move is in flight at a time: later moves are sent when its answer has arrived.
const boards = new WeakMap();
const STEPS = 1000;
const PATIENCE_MS = 1500;
const DRAWING_MS = 250;

function bend(dial, value) {
  return dial.log ? Math.log10(1 + value) : value;
}

function position(dial, value) {
  const low = bend(dial, dial.low), high = bend(dial, dial.high);
  return Math.round((STEPS * (bend(dial, value) - low)) / (high - low));
}

function valueAt(dial, at) {
  const low = bend(dial, dial.low), high = bend(dial, dial.high);
  const bent = low + ((high - low) * at) / STEPS;
  const raw = dial.log ? Math.pow(10, bent) - 1 : bent;
  const rounded = dial.log ? Number(raw.toPrecision(3)) : Number(raw.toFixed(dial.digits));
  return Number(Math.min(dial.high, Math.max(dial.low, rounded)).toFixed(dial.digits));
}

function written(board, dial, value) {
  if (value === null) return "";
  const shown = dial.percent ? value * 100 : value;
  const digits = dial.percent ? Math.max(dial.digits - 2, 0) : Math.max(dial.digits, shown % 1 ? 2 : 0);
  return new Intl.NumberFormat(board.locale, { maximumFractionDigits: digits }).format(shown);
}

function read(board, dial, text) {
  const parts = new Intl.NumberFormat(board.locale).formatToParts(12345.6);
  const mark = (type) => (parts.find((part) => part.type === type) || { value: "" }).value;
  let plain = text.replace(/[\s%\u00a0\u202f]/g, "");
  if (mark("group").trim()) plain = plain.split(mark("group")).join("");
  plain = plain.replace(mark("decimal"), ".");
  if (!/^\d*\.?\d+(e\d+)?$/i.test(plain)) return null;
  const value = Number(plain) / (dial.percent ? 100 : 1);
  return Number.isFinite(value) ? value : null;
}

function send(board) {
  const now = performance.now();
  const answered = board.sent <= board.seen && (!board.drawing || now - board.answered > DRAWING_MS);
  if (!answered && now - board.at < PATIENCE_MS) {
    board.dirty = true;
    clearTimeout(board.timer);
    board.timer = setTimeout(() => { if (board.dirty) send(board); }, DRAWING_MS);
    return;
  }
  board.dirty = false;
  board.sent = Math.max(board.sent, board.seen) + 1;
  board.at = now;
  board.drawing = true;
  board.tell("moved", { epoch: board.epoch, seq: board.sent, values: { ...board.moved } });
}

function move(board, dial, value, from) {
  board.moved[dial.path] = value;
  const row = board.rows.get(dial.path);
  if (from !== row.field) row.field.value = written(board, dial, value);
  if (from !== row.slider) row.slider.value = value === null ? 0 : position(dial, value);
  say(board, dial, row, value);
  send(board);
}

function say(board, dial, row, value) {
  const unit = dial.percent ? " %" : dial.unit ? " " + dial.unit : "";
  row.slider.setAttribute("aria-valuetext", value === null ? "not specified" : written(board, dial, value) + unit);
  const share = value === null ? 0 : (100 * position(dial, value)) / STEPS;
  row.slider.style.setProperty("--filled", Math.min(100, Math.max(0, share)) + "%");
}

function typed(board, dial, row) {
  const value = read(board, dial, row.field.value);
  const given = row.field.value.trim() !== "";
  const wrong = given && (value === null || value < dial.least || value > dial.most);
  row.field.setAttribute("aria-invalid", String(wrong));
  row.wrong.textContent = wrong ? dial.remedy : "";
  if (!wrong) move(board, dial, value, row.field);
}

function build(board, dial) {
  const root = document.createElement("div");
  const id = "dial-" + board.key + "-" + dial.path.replace(/\W/g, "-");
  root.className = "dial";
  root.innerHTML = `<label></label><span class="entry"><input class="field" inputmode="decimal"
    autocomplete="off"><span class="unit"></span></span><input class="slider" type="range" min="0"
    max="${STEPS}" step="5"><div class="note"></div><div class="wrong" role="alert"></div>`;
  const pick = (selector) => root.querySelector(selector);
  const row = { root, slider: pick(".slider"), field: pick(".field"), note: pick(".note"), wrong: pick(".wrong") };
  row.slider.id = id;
  pick("label").htmlFor = id;
  pick("label").textContent = dial.label;
  root.title = dial.help;
  row.field.setAttribute("aria-label", dial.label + (dial.unit ? ", " + dial.unit : ""));
  pick(".unit").textContent = dial.percent ? "%" : dial.unit;
  row.slider.addEventListener("input", () => move(board, board.dials.get(dial.path), valueAt(dial, row.slider.valueAsNumber), row.slider));
  row.field.addEventListener("input", () => typed(board, board.dials.get(dial.path), row));
  row.field.addEventListener("change", () => typed(board, board.dials.get(dial.path), row));
  board.root.append(root);
  board.rows.set(dial.path, row);
  return row;
}

function refresh(board, dial, root) {
  const row = board.rows.get(dial.path) || build(board, dial);
  row.note.textContent = dial.note;
  row.root.classList.toggle("assumed", Boolean(dial.note));
  if (board.sent > board.seen || board.dirty) return;
  if (root.activeElement !== row.field) {
    row.field.value = written(board, dial, dial.value);
    row.field.removeAttribute("aria-invalid");
    row.wrong.textContent = "";
  }
  if (dial.value !== null) row.slider.value = position(dial, dial.value);
  else row.slider.value = 0;
  say(board, dial, row, dial.value);
}

export default function ({ data, parentElement, setStateValue }) {
  let board = boards.get(parentElement);
  if (!board) {
    const root = parentElement.querySelector(".dials");
    board = { root, rows: new Map(), moved: {}, sent: 0, seen: 0, at: 0, answered: 0,
      drawing: false, dirty: false, epoch: null };
    boards.set(parentElement, board);
    board.heard = () => { board.drawing = false; if (board.dirty) send(board); };
    window.addEventListener("tune-or-not:drawn", board.heard);
  }
  board.tell = setStateValue;
  board.locale = data.locale;
  board.key = data.name;
  board.dials = new Map(data.dials.map((dial) => [dial.path, dial]));
  if (board.epoch !== data.epoch) {
    Object.assign(board, { epoch: data.epoch, moved: {}, dirty: false, sent: data.seq });
  }
  if (board.seen !== data.seq) board.answered = performance.now();
  board.seen = data.seq;
  for (const [path, row] of board.rows) {
    if (!board.dials.has(path)) { row.root.remove(); board.rows.delete(path); }
  }
  const root = parentElement.activeElement === undefined ? document : parentElement;
  for (const dial of data.dials) refresh(board, dial, root);
  if (board.dirty) send(board);
  window.dispatchEvent(new CustomEvent("tune-or-not:answer", { detail: data.answer }));
  return () => {
    if (parentElement.isConnected) return; // the next drawing reuses this board
    clearTimeout(board.timer);
    window.removeEventListener("tune-or-not:drawn", board.heard);
    boards.delete(parentElement);
  };
}
