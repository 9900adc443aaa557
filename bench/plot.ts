// Curves on two logarithmic axes, as an SVG that a README shows in light and dark.

export interface Curve {
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

const WIDTH = 760;
const HEIGHT = 420;
const LEFT = 70;
const RIGHT = 20;
const TOP = 20;
const BOTTOM = 110;
/** Told apart by those who see few colours (Okabe and Ito), and by their marks. */
const COLOURS = ["#0072B2", "#D55E00", "#009E73"];

/** A level curve means that an item costs the same however many there are. */
export function drawCurves(curves: readonly Curve[]): string {
  const points = curves.flatMap((curve) => curve.points);
  const x = scale(
    points.map((point) => point.x),
    LEFT,
    WIDTH - RIGHT,
  );
  const y = scale(
    points.map((point) => point.y),
    HEIGHT - BOTTOM,
    TOP,
  );
  const parts = [
    ...x.ticks.map((at) => tick(x.of(at), HEIGHT - BOTTOM, "x", at)),
    ...y.ticks.map((at) => tick(LEFT, y.of(at), "y", at)),
    ...curves.map((curve, i) => draw(curve, COLOURS[i % COLOURS.length]!, i, x.of, y.of)),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

interface Scale {
  readonly ticks: readonly number[];
  readonly of: (value: number) => number;
}

function scale(values: readonly number[], from: number, to: number): Scale {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  return {
    ticks: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)),
    of: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from),
  };
}

function tick(x: number, y: number, axis: "x" | "y", value: number): string {
  const label = value >= 1 ? value.toLocaleString("en") : String(value);
  const [line, text] =
    axis === "x"
      ? [`M${x} ${TOP}V${y}`, `x="${x}" y="${y + 18}" text-anchor="middle"`]
      : [`M${x} ${y}H${WIDTH - RIGHT}`, `x="${x - 8}" y="${y + 4}" text-anchor="end"`];
  return `<path d="${line}" stroke="#ccc"/><text ${text} fill="#333">${label}</text>`;
}

function draw(
  { name, points }: Curve,
  colour: string,
  index: number,
  x: (value: number) => number,
  y: (value: number) => number,
): string {
  const at = points.map((point) => `${x(point.x).toFixed(1)},${y(point.y).toFixed(1)}`);
  const legend = HEIGHT - BOTTOM + 46 + index * 20;
  const marks = at.map((place) => mark(place, index));
  return [
    `<g stroke="${colour}" fill="none" stroke-width="2"><polyline points="${at.join(" ")}"/>`,
    `<path d="M${LEFT} ${legend}h30"/>${mark(`${LEFT + 15},${legend}`, index)}${marks.join("")}</g>`,
    `<text x="${LEFT + 40}" y="${legend + 4}" fill="#333">${name}</text>`,
  ].join("\n");
}

/** A circle, a square or a diamond. */
function mark(place: string, index: number): string {
  const [x = 0, y = 0] = place.split(",").map(Number);
  if (index % 3 === 0) return `<circle cx="${x}" cy="${y}" r="4" fill="#fff"/>`;
  const turn = index % 3 === 2 ? ` transform="rotate(45 ${x} ${y})"` : "";
  return `<rect x="${x - 4}" y="${y - 4}" width="8" height="8" fill="#fff"${turn}/>`;
}
