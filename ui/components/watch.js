// Reports whether its part of the page is in view, and requests a drawing that did not arrive.
const watches = new WeakMap();
const PATIENCE_MS = 2000;

function ask(watch) {
  if (watch.inView && watch.latest !== watch.drawn) watch.tell("wants", watch.latest);
}

function seen(watch, inView) {
  if (inView === watch.inView) return;
  watch.inView = inView;
  setTimeout(() => watch.tell("visible", watch.inView), watch.order * 40);
}

function begin(parentElement, data) {
  const watch = { latest: data.drawn, order: data.order, inView: false };
  watch.observer = new IntersectionObserver(
    ([entry]) => seen(watch, entry.isIntersecting), { rootMargin: "700px 0px 0px 0px" });
  watch.observer.observe(parentElement.querySelector(".watch"));
  watch.heard = (event) => {
    watch.latest = event.detail;
    clearTimeout(watch.timer);
    watch.timer = setTimeout(() => ask(watch), PATIENCE_MS);
  };
  window.addEventListener("tune-or-not:answer", watch.heard);
  return watch;
}

export default function ({ data, parentElement, setStateValue }) {
  const watch = watches.get(parentElement) || begin(parentElement, data);
  watches.set(parentElement, watch);
  watch.tell = setStateValue;
  watch.drawn = data.drawn;
  if (watch.inView) window.dispatchEvent(new CustomEvent("tune-or-not:drawn", { detail: data.drawn }));
  return () => {
    if (parentElement.isConnected) return; // the next drawing reuses this watch
    clearTimeout(watch.timer);
    watch.observer.disconnect();
    window.removeEventListener("tune-or-not:answer", watch.heard);
    watches.delete(parentElement);
  };
}
