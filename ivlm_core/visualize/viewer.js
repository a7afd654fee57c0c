// Draws every mesh of the page with one hidden WebGL canvas and copies the picture into the
// card's own canvas, because browsers allow only a few WebGL contexts on a page.
"use strict";

const DATA = JSON.parse(document.getElementById("data").textContent);

function bytes(base64) {
  const text = atob(base64);
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out.buffer;
}

const RAMP = new Uint8Array(bytes(DATA.ramp)); // 256 RGB colours of scores 0..1

const VERTEX_SHADER = `
attribute vec3 position;
attribute vec4 normal; // w: on a sharp edge
attribute vec2 value; // score, seen
uniform mat3 turn; uniform vec3 frame; // frame: scale x, scale y, distance
varying vec4 vNormal; varying vec3 vPlace; varying vec2 vValue;
void main() {
  vec3 p = turn * position;
  vNormal = vec4(turn * normal.xyz, normal.w); vPlace = vec3(p.xy, p.z - frame.z);
  vValue = vec2(value.x * value.y, value.y);
  float depth = frame.z - p.z;
  float nearest = max(frame.z - 1.8, 0.02), farthest = frame.z + 1.8;
  float z = (farthest * (depth - nearest)) / (farthest - nearest);
  gl_Position = vec4(p.x * frame.x, p.y * frame.y, 2.0 * z - depth, depth);
}`;
// Scores are blended before they become colours. At a sharp edge the face's own normal counts.
const FRAGMENT_SHADER = `
#extension GL_OES_standard_derivatives : enable
precision highp float;
uniform sampler2D ramp; uniform vec3 unseen; uniform float threshold; // below 0: show all scores
varying vec4 vNormal; varying vec3 vPlace; varying vec2 vValue;
void main() {
  vec3 n = normalize(vNormal.xyz);
  if (dot(n, vPlace) > 0.0) n = -n;
#ifdef GL_OES_standard_derivatives
  vec3 flat_n = normalize(cross(dFdx(vPlace), dFdy(vPlace)));
  if (dot(flat_n, vPlace) > 0.0) flat_n = -flat_n;
  n = normalize(mix(n, flat_n, clamp(vNormal.w, 0.0, 1.0)));
#endif
  float score = vValue.x / max(vValue.y, 0.001);
  if (threshold >= 0.0) score = score >= threshold ? 0.78 : 0.0;
  vec3 colour = texture2D(ramp, vec2((score * 255.0 + 0.5) / 256.0, 0.5)).rgb;
  colour = mix(unseen, colour, vValue.y);
  float light = 0.35 + 0.65 * (0.5 + 0.5 * dot(n, normalize(vec3(-0.35, 0.45, 1.0))));
  gl_FragColor = vec4(colour * light, 1.0);
}`;

class Renderer {
  constructor() {
    this.canvas = document.createElement("canvas");
    const gl = this.canvas.getContext("webgl", { antialias: true, alpha: true });
    if (!gl) throw new Error("this browser offers no WebGL");
    this.gl = gl;
    gl.getExtension("OES_element_index_uint");
    gl.getExtension("OES_standard_derivatives");
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX_SHADER],
                                [gl.FRAGMENT_SHADER, FRAGMENT_SHADER]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) {
        throw new Error("WebGL: " + gl.getShaderInfoLog(shader));
      }
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
      throw new Error("WebGL: " + gl.getProgramInfoLog(program));
    }
    gl.useProgram(program);
    gl.enable(gl.DEPTH_TEST);
    this.at = {};
    for (const name of ["position", "normal", "value"]) {
      this.at[name] = gl.getAttribLocation(program, name);
      gl.enableVertexAttribArray(this.at[name]);
    }
    this.uniform = {};
    for (const name of ["turn", "frame", "threshold", "unseen"]) {
      this.uniform[name] = gl.getUniformLocation(program, name);
    }
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, 256, 1, 0, gl.RGB, gl.UNSIGNED_BYTE, RAMP);
    for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D, filter, gl.LINEAR);
    }
    gl.uniform3fv(this.uniform.unseen, DATA.unseen.map((value) => value / 255));
    this.meshes = {};
  }

  buffer(target, values) {
    const made = this.gl.createBuffer();
    this.gl.bindBuffer(target, made);
    this.gl.bufferData(target, values, this.gl.STATIC_DRAW);
    return made;
  }

  mesh(key) {
    if (!this.meshes[key]) {
      const gl = this.gl, source = DATA.meshes[key];
      const faces = bytes(source.faces);
      const indices = source.wide ? new Uint32Array(faces) : new Uint16Array(faces);
      this.meshes[key] = {
        position: this.buffer(gl.ARRAY_BUFFER, new Float32Array(bytes(source.positions))),
        normal: this.buffer(gl.ARRAY_BUFFER, new Int8Array(bytes(source.normals))),
        indices: this.buffer(gl.ELEMENT_ARRAY_BUFFER, indices),
        kind: source.wide ? gl.UNSIGNED_INT : gl.UNSIGNED_SHORT,
        count: indices.length,
      };
    }
    return this.meshes[key];
  }

  draw(card, width, height) {
    const gl = this.gl, mesh = this.mesh(card.source.mesh);
    if (this.canvas.width < width) this.canvas.width = width;
    if (this.canvas.height < height) this.canvas.height = height;
    gl.viewport(0, 0, width, height);
    gl.enable(gl.SCISSOR_TEST);
    gl.scissor(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const attribute = (name, buffer, size, type, normalised, stride) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.vertexAttribPointer(this.at[name], size, type, normalised, stride, 0);
    };
    attribute("position", mesh.position, 3, gl.FLOAT, false, 0);
    attribute("normal", mesh.normal, 4, gl.BYTE, true, 4);
    attribute("value", card.values(this), 2, gl.UNSIGNED_BYTE, true, 4);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, mesh.indices);
    gl.uniformMatrix3fv(this.uniform.turn, false, card.rotation());
    gl.uniform1f(this.uniform.threshold, card.binary ? card.source.threshold : -1);
    // The vertical field of view is 28 degrees; a narrow card is fitted by its width.
    const zoom = (1 / Math.tan(14 * Math.PI / 180)) * Math.min(1, width / height);
    gl.uniform3f(this.uniform.frame, zoom * height / width, zoom, card.distance);
    gl.drawElements(gl.TRIANGLES, mesh.count, mesh.kind, 0);
    return this.canvas;
  }
}

class Card {
  constructor(element, source, renderer) {
    this.source = source;
    this.renderer = renderer;
    this.canvas = element.querySelector("canvas.view");
    this.context = this.canvas.getContext("2d");
    this.scores = new Uint8Array(bytes(source.scores)); // 0: unseen, else 1 + 254 * score
    this.buffer = null;
    this.binary = false;
    this.pointers = new Map();
    this.reset();
    this.listen(element);
    new ResizeObserver(() => this.request()).observe(this.canvas);
  }

  reset() {
    this.yaw = this.source.yaw;
    this.pitch = this.source.pitch;
    this.distance = this.source.distance;
    this.request();
  }

  values(renderer) { // per vertex: score and seen as bytes, padded to four
    if (!this.buffer) {
      const out = new Uint8Array(this.scores.length * 4);
      this.scores.forEach((level, i) => {
        if (level > 0) out.set([Math.round((level - 1) * 255 / 254), 255], 4 * i);
      });
      this.buffer = renderer.buffer(renderer.gl.ARRAY_BUFFER, out);
    }
    return this.buffer;
  }

  rotation() { // column by column: pitch after yaw
    const [cy, sy] = [Math.cos(this.yaw), Math.sin(this.yaw)];
    const [cp, sp] = [Math.cos(this.pitch), Math.sin(this.pitch)];
    return new Float32Array([cy, sp * sy, -cp * sy, 0, cp, sp, sy, -sp * cy, cp * cy]);
  }

  orbit(dx, dy) {
    this.yaw += dx;
    this.pitch = Math.max(-1.5, Math.min(1.5, this.pitch + dy));
    this.request();
  }

  zoom(factor) {
    this.distance = Math.max(1.3, Math.min(12, this.distance * factor));
    this.request();
  }

  request() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.paint(); });
  }

  paint() {
    const scale = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.round(this.canvas.clientWidth * scale);
    const height = Math.round(this.canvas.clientHeight * scale);
    if (!width || !height) return;
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const drawn = this.renderer.draw(this, width, height);
    this.context.clearRect(0, 0, width, height);
    const top = drawn.height - height; // WebGL's viewport starts at the lower left corner
    this.context.drawImage(drawn, 0, top, width, height, 0, 0, width, height);
  }

  listen(element) {
    const canvas = this.canvas, pointers = this.pointers;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
    });
    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const now = [event.clientX, event.clientY];
      if (pointers.size === 1) {
        this.orbit((now[0] - before[0]) * 0.008, (now[1] - before[1]) * 0.008);
      } else {
        const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
        const span = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
        this.zoom(span(before) / span(now));
      }
      pointers.set(event.pointerId, now);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, (event) => pointers.delete(event.pointerId));
    }
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const pixels = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
      this.zoom(Math.exp(pixels * 0.0012));
    }, { passive: false });
    canvas.addEventListener("dblclick", () => this.reset());
    canvas.addEventListener("keydown", (event) => {
      const actions = {
        ArrowLeft: () => this.orbit(-0.1, 0), ArrowRight: () => this.orbit(0.1, 0),
        ArrowUp: () => this.orbit(0, -0.1), ArrowDown: () => this.orbit(0, 0.1),
        "+": () => this.zoom(0.9), "=": () => this.zoom(0.9), "-": () => this.zoom(1.1),
      };
      if (actions[event.key]) {
        event.preventDefault();
        actions[event.key]();
      }
    });
    element.querySelector("[data-do=front]").addEventListener("click", () => this.reset());
    element.querySelector("[data-do=back]").addEventListener("click", () => {
      this.reset();
      this.yaw += Math.PI;
    });
    const toggle = element.querySelector("[data-do=binary]");
    toggle.addEventListener("click", () => {
      this.binary = !this.binary;
      toggle.setAttribute("aria-pressed", String(this.binary));
      this.request();
    });
  }
}

function paintBars() {
  for (const bar of document.querySelectorAll("canvas.ramp")) {
    bar.width = 256;
    bar.height = 1;
    const context = bar.getContext("2d"), line = context.createImageData(256, 1);
    for (let i = 0; i < 256; i++) line.data.set([...RAMP.slice(3 * i, 3 * i + 3), 255], 4 * i);
    context.putImageData(line, 0, 0);
  }
}

function start() {
  paintBars();
  const elements = [...document.querySelectorAll(".mesh")];
  try {
    const renderer = new Renderer();
    window.ivlmCards = elements.map((el, i) => new Card(el, DATA.predictions[i], renderer));
  } catch (error) {
    for (const el of elements) {
      el.textContent = `The mesh cannot be shown: ${error.message}. Open the PLY or GLB file.`;
    }
  }
}

start();
