// Buttons, keys, pointers and the list of events of a `Viewer`; and what opens the viewers of a page.

const ACTIONS = {
  previous: (v) => v.go(v.neighbour(-1)),
  next: (v) => v.go(v.neighbour(1)),
  in: (v) => v.zoom(0.5),
  out: (v) => v.zoom(2),
  whole: (v) => v.show(0, v.duration),
  minutes: (v) => v.last(300),
  epoch: (v) => v.last(30),
  seconds: (v) => v.last(10),
  left: (v) => v.pan(-0.25),
  right: (v) => v.pan(0.25),
  back: (v) => v.pan(-1),
  forth: (v) => v.pan(1),
  start: (v) => v.show(0, v.to - v.from),
  end: (v) => v.show(v.duration - (v.to - v.from), v.duration),
  larger: (v) => v.amplify(1.5),
  smaller: (v) => v.amplify(1 / 1.5),
};

const KEYS = {
  ArrowLeft: "left", ArrowRight: "right", ArrowUp: "larger", ArrowDown: "smaller", "+": "in", "=": "in", "-": "out",
  n: "next", p: "previous", 0: "whole", Home: "start", End: "end", 1: "seconds", 3: "epoch", 5: "minutes",
};

Object.assign(Viewer.prototype, {
  amplify(by) {
    this.gain = Math.min(100, Math.max(0.01, this.gain * by));
    this.draw();
  },

  listen() {
    for (const button of this.root.querySelectorAll("button[data-do]")) {
      button.addEventListener("click", () => ACTIONS[button.dataset.do](this));
    }
    this.screen.addEventListener("keydown", (event) => this.onKey(event));
    this.listenToPointers();
    const choice = this.find("spectrum");
    choice?.addEventListener("change", async () => {
      this.spectrum = Number(choice.value);
      await this.readSpectrogram();
      this.draw();
      this.say();
    });
    const redraw = () => this.draw();
    new ResizeObserver(redraw).observe(this.screen);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    for (const step of [-1, 1]) {
      this.find(step < 0 ? "earlier" : "later")?.addEventListener("click", () => this.list(this.listed + step));
    }
    this.list(0);
  },

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    let action = KEYS[event.key] ?? KEYS[event.key.toLowerCase()];
    if (event.shiftKey && (action === "left" || action === "right")) action = action === "left" ? "back" : "forth";
    if (!action) return;
    event.preventDefault();
    ACTIONS[action](this);
  },

  listenToPointers() {
    const held = new Map(); // pointer to its place
    const canvas = this.canvas;
    const place = (event) => event.clientX - canvas.getBoundingClientRect().left;
    canvas.addEventListener("pointerdown", (event) => {
      held.set(event.pointerId, place(event));
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!held.has(event.pointerId)) return this.point(this.scale.time(place(event)));
      const before = [...held.values()];
      held.set(event.pointerId, place(event));
      this.drag(before, [...held.values()]);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => held.delete(event.pointerId));
    }
    canvas.addEventListener("dblclick", (event) => this.zoom(0.25, this.scale.time(place(event))));
    canvas.addEventListener("wheel", (event) => this.onWheel(event, place(event)), { passive: false });
    const centre = (event) => {
      if (event.type === "pointermove" && !event.buttons) return;
      const half = (this.to - this.from) / 2;
      const at = this.whole.time(event.clientX - this.overview.getBoundingClientRect().left);
      this.show(at - half, at + half);
    };
    this.overview.addEventListener("pointerdown", centre);
    this.overview.addEventListener("pointermove", centre);
  },

  /** One pointer moves the recording, two zoom it. */
  drag(before, now) {
    const perPixel = (this.to - this.from) / this.scale.width;
    if (now.length === 1) {
      const by = (before[0] - now[0]) * perPixel;
      this.show(this.from + by, this.to + by);
    } else if (Math.abs(now[0] - now[1]) > 10) {
      const factor = Math.abs(before[0] - before[1]) / Math.abs(now[0] - now[1]);
      this.zoom(factor, this.scale.time((now[0] + now[1]) / 2));
    }
  },

  /** The wheel moves the page, as ever; with Ctrl it zooms, with Shift (or sideways) it moves along time. */
  onWheel(event, x) {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.scale.time(x));
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      this.pan((event.deltaX || event.deltaY) / 800);
    }
  },

  /** Say what is under the pointer. */
  point(t) {
    if (t < this.from || t > this.to) return;
    const said = [clock(t, this.to - this.from < 600)];
    for (const line of this.lines) {
      const i = firstAfter(line.times, t * 1000) - 1;
      if (i >= 0 && t * 1000 < line.times[i] + 1000 * line.step) {
        said.push(`${line.name} ${(line.values[i] / 1000).toFixed(2)}`);
      }
    }
    const level = this.about.levels?.spans.find(([a, b]) => a <= t && t < b);
    if (level) said.push(this.about.levels.names[level[2]]);
    for (const { spans, words } of this.about.bars) {
      const under = spans.findIndex(([a, b]) => a <= t && t < b);
      if (words && under >= 0) said.push(words[under]);
    }
    this.find("pointer").textContent = said.join(", ");
  },

  /** Fill the list with a page of events. */
  list(page) {
    const { events, kinds } = this.about;
    const body = this.root.querySelector(".viewer-events tbody");
    if (!body || page < 0 || page * ROWS >= Math.max(1, events.length)) return;
    if (page !== this.listed) {
      this.listed = page;
      body.replaceChildren(...events.slice(page * ROWS, (page + 1) * ROWS).map((e, i) => this.row(e, page * ROWS + i, kinds)));
      const shown = this.find("range");
      if (shown) {
        shown.textContent = `${page * ROWS + 1} to ${Math.min(events.length, (page + 1) * ROWS)} of ${events.length}`;
        this.find("earlier").disabled = page === 0;
        this.find("later").disabled = (page + 1) * ROWS >= events.length;
      }
    }
    for (const row of body.rows) row.removeAttribute("aria-current");
    const current = body.rows[this.event - page * ROWS];
    if (!current) return;
    current.setAttribute("aria-current", "true");
    // within the list alone: the page itself stays where it is
    const box = current.closest(".viewer-events");
    box.scrollTop = Math.max(0, current.offsetTop - box.clientHeight / 2);
  },

  row([onset, duration, kind, peak], i, kinds) {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `${i + 1}`;
    button.setAttribute("aria-label", `Show event ${i + 1} at ${clock(onset, true)}`);
    button.addEventListener("click", () => this.go(i));
    head.append(button);
    const cells = [clock(onset, true), lasting(duration), peak === null ? "–" : peak.toFixed(2)];
    if (kinds.length) cells.push(kinds[kind] ?? "");
    row.append(head, ...cells.map((words) => {
      const cell = document.createElement("td");
      cell.textContent = words;
      return cell;
    }));
    row.addEventListener("click", (event) => {
      if (event.target !== button) this.go(i);
    });
    return row;
  },
});

/** Open a viewer, once. */
async function openViewer(root) {
  if (root.dataset.state) return;
  root.dataset.state = "open";
  try {
    await new Viewer(root).open();
  } catch (error) {
    root.dataset.state = "failed";
    const words = `This view cannot be opened (${error.message}); the picture of the recording stands.`;
    root.querySelector(".viewer-place").textContent = words;
  }
}

/** Open those that are about to be seen at once, and the others one after the other, when there is time. */
async function openViewers() {
  const all = [...document.querySelectorAll(".viewer")];
  const near = new IntersectionObserver(
    (entries) => entries.filter((e) => e.isIntersecting).forEach((e) => openViewer(e.target)),
    { rootMargin: "600px" },
  );
  all.forEach((root) => near.observe(root));
  for (const root of all) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    await openViewer(root);
  }
}

openViewers();
