// The points of the map: WebGL draws them, and a grid of cells finds the one below a place.

const NOWHERE = 65535; // a deleted row; others are 0 to 65534
const CELLS = 256;
const VERTEX = `
attribute vec2 at;
uniform vec2 scale, shift;
uniform float size;
void main() {
  vec2 place = at.x == 1.0 ? vec2(9.0) : at * scale + shift;
  gl_Position = vec4(place.x * 2.0 - 1.0, 1.0 - place.y * 2.0, 0.0, 1.0);
  gl_PointSize = size;
}`;
const FRAGMENT = `
precision mediump float;
uniform vec4 colour;
void main() {
  if (distance(gl_PointCoord, vec2(0.5)) > 0.5) discard;
  gl_FragColor = vec4(colour.rgb * colour.a, colour.a);
}`;

/** What draws points on a canvas; null: the browser has no WebGL. */
export function painter(canvas) {
  const gl = canvas.getContext("webgl", { antialias: false });
  if (!gl) return null;
  const program = linked(gl);
  const at = gl.getAttribLocation(program, "at");
  const place = (name) => gl.getUniformLocation(program, name);
  const [scale, shift, size, colour] = ["scale", "shift", "size", "colour"].map(place);
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  gl.enableVertexAttribArray(at);
  return {
    /** A buffer of points, two 16-bit numbers each. */
    load(points) {
      const buffer = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, points, gl.STATIC_DRAW);
      return { buffer, count: points.length / 2 };
    },
    forget({ buffer }) {
      gl.deleteBuffer(buffer);
    },
    /**
     * Draw layers of {points, size, colour, each}: every point, or one of `each`, which is at most
     * 63. A point lies at its place times `by` plus `from`.
     */
    draw(layers, by, from) {
      gl.viewport(0, 0, canvas.width, canvas.height);
      gl.clearColor(0, 0, 0, 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.uniform2f(scale, by, by);
      gl.uniform2f(shift, ...from);
      for (const layer of layers) {
        gl.bindBuffer(gl.ARRAY_BUFFER, layer.points.buffer);
        gl.vertexAttribPointer(at, 2, gl.UNSIGNED_SHORT, true, 4 * (layer.each ?? 1), 0);
        gl.uniform1f(size, layer.size);
        gl.uniform4f(colour, ...layer.colour);
        gl.drawArrays(gl.POINTS, 0, Math.floor(layer.points.count / (layer.each ?? 1)));
      }
    },
    /** Wait until all is drawn. */
    finish() {
      gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    },
  };
}

function linked(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  return program;
}

/** The points in cells: how many there are, and which is nearest to a place. */
export function cells(points) {
  const count = points.length / 2;
  const cell = (number) => (points[2 * number] >> 8) * CELLS + (points[2 * number + 1] >> 8);
  const starts = new Uint32Array(CELLS * CELLS + 1);
  let live = 0;
  for (let number = 0; number < count; number++) {
    if (points[2 * number] === NOWHERE) continue;
    starts[cell(number) + 1]++;
    live++;
  }
  for (let i = 0; i < CELLS * CELLS; i++) starts[i + 1] += starts[i];
  const ends = starts.slice(0, -1);
  const order = new Uint32Array(live);
  for (let number = 0; number < count; number++) {
    if (points[2 * number] !== NOWHERE) order[ends[cell(number)]++] = number;
  }
  return {
    live,
    /** The number of the point nearest to (x, y) within an ellipse of these radii; -1: none. */
    nearest(x, y, [left, up]) {
      const clip = (value) => Math.max(0, Math.min(CELLS - 1, Math.floor(value * CELLS)));
      let best = -1;
      let least = 1;
      for (let column = clip(x - left); column <= clip(x + left); column++) {
        for (let row = clip(y - up); row <= clip(y + up); row++) {
          const at = column * CELLS + row;
          for (let i = starts[at]; i < starts[at + 1]; i++) {
            const number = order[i];
            const [dx, dy] = [points[2 * number] / NOWHERE - x, points[2 * number + 1] / NOWHERE - y];
            const away = Math.hypot(dx / left, dy / up);
            if (away <= least) [best, least] = [number, away];
          }
        }
      }
      return best;
    },
  };
}
