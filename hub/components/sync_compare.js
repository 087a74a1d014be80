// Videos on one clock. The first one leads; the others are drawn after it by speed, and set where they are far off.
const at = (selector) => element.querySelector(selector);
const video = (side) => at(`figure[data-side=${side}] video`);
const [scrub, stage, svg] = [at(".pgs-sync-scrub"), at(".pgs-sync-stage"), at("svg")];
const choice = at(".pgs-sync-legend select");
const TOO_FAR_S = 0.2, FRAME_S = 0.04, PULL = 5.0;
let shown = null, ticking = false, told = -1;

const followers = () => ["b", "truth"].map(video).filter((other) => other.getAttribute("src"));
const frameOf = (seconds) => Math.min(shown.frames - 1, Math.max(0, Math.floor(seconds * shown.fps + 1e-3)));
const frame = () => frameOf(video("a").currentTime);

function seek(to) {
  const index = Math.min(shown.frames - 1, Math.max(0, Math.round(to)));
  for (const one of [video("a"), ...followers()]) one.currentTime = (index + 0.5) / shown.fps;  // a frame's middle
  draw(index);
}

function draw(index) {
  scrub.value = index;
  at(".pgs-sync-frame").textContent = `${index + 1} / ${shown.frames}`;
  at("svg line").setAttribute("x1", 1000 * (index + 0.5) / shown.frames);
  at("svg line").setAttribute("x2", 1000 * (index + 0.5) / shown.frames);
  const curve = shown.curves?.[choice.value];
  if (!curve) return;
  const say = (side) => {
    const value = curve[side]?.[Math.floor((index - curve.starts[side]) / curve.stride)];
    return value === null || value === undefined ? "–" : value.toPrecision(4);
  };
  at(".pgs-sync-legend output").innerHTML =
    `<span class="a"><i></i> A ${say("a")}</span> <span class="b"><i></i> B ${say("b")}</span> ${curve.unit}`;
}

function tick() {
  const lead = video("a");
  if (!shown || lead.paused || lead.ended) {
    ticking = false;
    return settle();
  }
  const rate = Number(at(".pgs-sync-rate").value);
  const worst = Math.max(0, ...followers().map((other) => lead.currentTime - other.currentTime));
  lead.playbackRate = worst > FRAME_S ? 0.7 * rate : rate;  // a machine that decodes too slowly: all wait for the last
  for (const other of followers()) {
    const late = lead.currentTime - other.currentTime;
    if (Math.abs(late) > TOO_FAR_S) other.currentTime = lead.currentTime;
    other.playbackRate = Math.min(4, Math.max(0.1, rate * (1 + PULL * late)));
    if (other.paused && !other.ended) other.play().catch(() => {});
  }
  draw(frame());
  requestAnimationFrame(tick);
}

function settle() {
  for (const other of followers()) other.pause();
  if (!shown) return;
  seek(frame());
  tell();
}

function tell() {  // what is shown at this frame, once it has come to rest
  clearTimeout(element.pgsTimer);
  element.pgsTimer = setTimeout(() => {
    if (shown && video("a").paused && frame() !== told) trigger("input", {frame: told = frame()});
  }, 350);
}

function play() {
  const lead = video("a");
  if (!lead.paused) return lead.pause();
  if (frame() >= shown.frames - 1) seek(0);
  lead.play().then(() => {
    if (!ticking) { ticking = true; requestAnimationFrame(tick); }
  }).catch(() => {});
}

function path(side, curve, low, high) {
  const y = (value) => 145 - 140 * (value - low) / (high - low || 1);
  let pen = "M", text = "";
  curve[side]?.forEach((value, i) => {
    if (value === null) { pen = "M"; return; }
    const frame = curve.starts[side] + i * curve.stride;
    text += `${pen}${(1000 * (frame + 0.5) / shown.frames).toFixed(1)} ${y(value).toFixed(1)}`;
    pen = "L";
  });
  return text;
}

function drawCurve() {
  const curve = shown.curves?.[choice.value];
  at(".pgs-sync-curve").hidden = !curve;
  if (!curve) return;
  const known = [...(curve.a ?? []), ...(curve.b ?? [])].filter((value) => value !== null);
  const [low, high] = [Math.min(...known), Math.max(...known)];
  at(".pgs-sync-high").textContent = high.toPrecision(4);
  at(".pgs-sync-low").textContent = low.toPrecision(4);
  at("path.a").setAttribute("d", path("a", curve, low, high));
  at("path.b").setAttribute("d", path("b", curve, low, high));
}

function open() {
  const [before, old] = [choice.value, shown];
  shown = props.value && props.value.a ? props.value : null;
  at(".pgs-sync-empty").hidden = !!shown;
  at(".pgs-sync-body").hidden = !shown;
  if (!shown) { for (const side of ["a", "b", "truth"]) video(side).removeAttribute("src"); return; }
  const isSame = old && old.id === shown.id;  // only figures were added: play on
  for (const side of ["a", "b", "truth"]) {
    const one = shown[side];
    at(`figure[data-side=${side}]`).hidden = !one;
    at(`figure[data-side=${side}] figcaption`).textContent = one?.title ?? "";
    if (isSame) continue;
    if (one) video(side).src = one.file.url; else video(side).removeAttribute("src");
    video(side).load();
  }
  stage.classList.toggle("has-truth", !!shown.truth);
  scrub.max = shown.frames - 1;
  choice.replaceChildren(...Object.entries(shown.curves ?? {}).map(([key, curve]) => new Option(curve.title, key)));
  if (before && shown.curves?.[before]) choice.value = before;
  drawCurve();
  if (isSame) return draw(frame());
  told = -1;
  draw(0);
  video("a").addEventListener("loadeddata", () => { seek(shown.start ?? 0); tell(); }, {once: true});
}

at(".pgs-sync-play").addEventListener("click", play);
for (const kind of ["play", "pause", "ended"]) {
  video("a").addEventListener(kind, () => {
    at(".pgs-sync-play").textContent = video("a").paused ? "▶" : "❚❚";
    if (kind !== "play" && !ticking) settle();
  });
}
scrub.addEventListener("input", () => { video("a").pause(); seek(Number(scrub.value)); tell(); });
at(".pgs-sync-rate").addEventListener("change", (event) => { video("a").playbackRate = Number(event.target.value); });
at(".pgs-sync-mode").addEventListener("click", (event) => {
  const wipe = at(".pgs-sync").dataset.mode === "side";
  at(".pgs-sync").dataset.mode = wipe ? "wipe" : "side";
  event.target.ariaPressed = wipe;
});
at(".pgs-sync-sound").addEventListener("click", (event) => {
  video("a").muted = !video("a").muted;
  event.target.ariaPressed = !video("a").muted;
});
const wipe = at(".pgs-sync-wipe");
const place = () => stage.style.setProperty("--wipe", `${wipe.value}%`);
wipe.addEventListener("input", place);
choice.addEventListener("change", () => { drawCurve(); draw(frame()); });
svg.addEventListener("click", (event) => {
  const box = svg.getBoundingClientRect();
  video("a").pause();
  seek(Math.floor(shown.frames * (event.clientX - box.left) / box.width));
  tell();
});
place();
watch("value", open);
open();
