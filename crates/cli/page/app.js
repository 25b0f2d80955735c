// Sockeye's page: a shared board, a counter, and three connections that may be cut.

// Theme first, before anything is painted.
const root = document.documentElement;
const dark = matchMedia('(prefers-color-scheme: dark)');
const calm = matchMedia('(prefers-reduced-motion: reduce)');
let theme = null;
try { theme = localStorage.getItem('sockeye-theme'); } catch { /* no storage: remembered until reload */ }
const isDark = () => root.dataset.theme === 'dark';
const setTheme = () => { root.dataset.theme = theme || (dark.matches ? 'dark' : 'light'); };
setTheme();

const $ = (id) => document.getElementById(id);
const on = (el, type, f) => el.addEventListener(type, f);
const now = () => performance.now();
const clamp = (v, lo, hi) => Math.min(hi, Math.max(lo, v));
const setText = (el, s) => { if (el.textContent !== s) el.textContent = s; };
const C = {};   // the theme's colours, for the canvases
const readColours = () => { for (const n of ['paper', 'ink', 'soft', 'rule', 'edge', 'red']) C[n] = getComputedStyle(root).getPropertyValue(`--${n}`).trim(); };
const plural = (n, one) => `${n} ${one}${n === 1 ? '' : 's'}`;
const make = (tag, cls, text) => {
	const el = document.createElement(tag);
	if (cls) el.className = cls;
	if (text !== undefined) el.textContent = text;
	return el;
};
const say = (s) => setText($('say'), s);
const median = (list) => {
	const s = [...list].sort((a, b) => a - b);
	const m = s.length >> 1;
	return s.length % 2 ? s[m] : (s[m - 1] + s[m]) / 2;
};
const ms = (v) => (v < 10 ? v.toFixed(1) : v.toFixed(0)) + ' ms';
const bytes = (n) => (n < 1e3 ? `${n} B` : n < 999500 ? `${(n / 1e3).toPrecision(3)} kB` : `${(n / 1e6).toFixed(2)} MB`);
const span = (s) => {
	const [d, h, m] = [s / 86400, s / 3600 % 24, s / 60 % 60].map(Math.floor);
	return d ? `${d} d ${h} h` : h ? `${h} h ${m} min` : m ? `${m} min ${Math.floor(s % 60)} s` : `${Math.floor(s)} s`;
};
const encoder = new TextEncoder();
const utf8 = (s) => encoder.encode(s).length;

// --- Messages: a short memory, with noise kept apart so that it crowds nothing out
const rings = { plain: [], tick: [], noise: [] };
let seq = 0, newest = null, logDirty = false;
function note(dir, line, text) {
	const cls = line.key === 'mirror' && /^[mp] /.test(text) ? 'noise' : line.key === 'counter' && dir === 'in' ? 'tick' : 'plain';
	logDirty = true;
	if (cls === 'tick' && newest && newest.cls === 'tick') {
		newest.n++; newest.text = text; newest.at = new Date();
		return;
	}
	const entry = { seq: ++seq, cls, dir, who: line.role, text: text.length > 160 ? text.slice(0, 160) + '…' : text, at: new Date(), n: 1, from: text };
	const ring = rings[cls];
	ring.push(entry);
	if (ring.length > 20) ring.shift();
	if (cls !== 'noise') newest = entry;
}
function drawLog() {
	logDirty = false;
	const all = [...rings.plain, ...($('ticks').checked ? [] : rings.tick), ...($('noise').checked ? [] : rings.noise)];
	all.sort((a, b) => b.seq - a.seq);
	const rows = all.slice(0, 20).map((m) => {
		const li = make('li');
		li.append(
			make('time', '', m.at.toTimeString().slice(0, 8) + '.' + String(m.at.getMilliseconds()).padStart(3, '0')),
			make('span', m.dir, m.dir),
			make('span', 'who', m.who),
			make('span', '', m.n > 1 ? `${m.from} … ${m.text}  (${m.n} ticks)` : m.text.replace(/\n/g, '⏎')),
		);
		return li;
	});
	if (!rows.length) rows.push(make('li', 'empty', 'Nothing yet.'));
	$('log').replaceChildren(...rows);
}
const drawer = $('drawer'), drawerButton = $('drawer-button');
let cameFrom = drawerButton;
function toggleDrawer(open = drawer.hidden) {
	if (open === !drawer.hidden) return;
	drawer.hidden = !open;
	drawerButton.setAttribute('aria-expanded', String(open));
	if (open) {
		cameFrom = document.activeElement === document.body ? drawerButton : document.activeElement;
		drawLog();
		drawer.focus({ preventScroll: true });
	} else cameFrom.focus({ preventScroll: true });
}
on(drawerButton, 'click', () => toggleDrawer());
on($('drawer-close'), 'click', () => toggleDrawer(false));
for (const id of ['noise', 'ticks']) on($(id), 'change', drawLog);

// --- A connection: opens, may be cut, waits with back-off and jitter, comes back
const WORDS = {
	1000: 'normal goodbye', 1001: 'going away', 1002: 'protocol error', 1003: 'unsupported data',
	1005: 'closed without a code', 1006: 'connection lost without a goodbye', 1007: 'text that was not UTF-8',
	1008: 'against the server’s policy', 1009: 'message too big', 1011: 'server error',
	1012: 'server restarting', 1013: 'try again later',
};
const inWords = ({ code, reason }) => {
	const kind = WORDS[code] || (code >= 4000 ? 'application' : code >= 3000 ? 'library' : 'unnamed code');
	return `${code} ${kind}${reason ? ': ' + reason : ''}`;
};
const GIVE_UP = 15;
const lines = {};

class Line {
	constructor(key, protocol, role, rttName, rttHelp, hooks) {
		Object.assign(this, { key, protocol, role, hooks, state: 'closed', tries: 0, in: 0, out: 0, rtt: null, last: null, lostAt: 0, pulseAt: 0, ws: null });
		const card = this.card = $('line').content.firstElementChild.cloneNode(true);
		const q = (s) => card.querySelector(s);
		card.dataset.testid = `card-${key}`;
		card.ariaLabel = `${role}, ${protocol}`;
		q('.role').textContent = role;
		q('code').textContent = protocol;
		this.stateEl = q('.state span');
		this.cord = q('.cord');
		this.button = q('.cut');
		this.button.dataset.testid = `cut-${key}`;
		on(this.button, 'click', () => this.cut());
		q('.f-rtt dt').textContent = rttName;
		q('.f-rtt').title = rttHelp;
		q('.f-in').title = q('.f-out').title = 'Payload bytes since the page opened, without frame headers';
		this.cells = ['rtt', 'in', 'out', 'close'].map((f) => q(`.f-${f} dd`));
		$('lines').append(card);
	}
	to(state) {
		this.state = state;
		const { card } = this, busy = state !== 'open' && state !== 'closed';
		card.dataset.state = state;
		card.className = `line${busy ? ' busy' : ''}${state === 'waiting' || state === 'closed' ? ' slack' : ''}`;
		setText(this.button, state === 'waiting' ? 'Try now' : state === 'closed' ? 'Reopen' : 'Cut it');
		this.paint();
	}
	connect() {
		clearTimeout(this.timer);
		this.to('connecting');
		this.startedAt = now();
		const ws = this.ws = new WebSocket((location.protocol === 'https:' ? 'wss://' : 'ws://') + location.host + '/', this.protocol);
		ws.binaryType = 'arraybuffer';
		this.timer = setTimeout(() => ws.close(), 10000);
		ws.onopen = () => {
			clearTimeout(this.timer);
			this.openedAt = now();
			this.to('open');
			if (this.lostAt) say(`${this.role} line is back after ${((now() - this.lostAt) / 1000).toFixed(1)} s.`);
			this.hooks.open?.(this);
		};
		ws.onmessage = (e) => {
			const t = now();
			const binary = typeof e.data !== 'string', size = binary ? e.data.byteLength : utf8(e.data);
			this.in += size;
			note('in', this, binary ? `(binary, ${size} bytes)` : e.data);
			this.pulse('in', t);
			if (!binary) this.hooks.message(e.data, t, this);
		};
		ws.onclose = (e) => this.closed(e);
	}
	closed(e) {
		clearTimeout(this.timer);
		const wasOpen = this.openedAt > 0, stable = wasOpen && now() - this.openedAt > 6000;
		this.openedAt = 0;
		this.ws = null;
		this.last = { code: e.code, reason: e.reason };
		if (wasOpen) { this.lostAt = now(); say(`${this.role} line closed: ${inWords(this.last)}.`); }
		this.cord.querySelectorAll('u').forEach((dot) => dot.remove());
		this.hooks.close?.(this);
		this.tries = stable || (wasOpen && !this.tries) ? 1 : this.tries + 1;
		if (this.tries > GIVE_UP) { this.to('closed'); say(`${this.role} line: no answer after ${GIVE_UP} attempts.`); return; }
		this.wait = Math.min(20000, 1000 * 1.8 ** (this.tries - 1)) * (0.75 + Math.random() * 0.5);
		this.until = now() + this.wait;
		this.timer = setTimeout(() => this.connect(), this.wait);
		this.to('waiting');
	}
	cut() {
		if (this.state === 'waiting' || this.state === 'closed') { this.tries = 0; this.connect(); return; }
		if (this.state === 'closing') return;
		this.to('closing');
		this.ws.close(4001, 'cut by visitor');
	}
	send(text) {
		if (this.state !== 'open' || this.ws.readyState !== 1) return false;
		this.ws.send(text);
		this.out += utf8(text);
		note('out', this, text);
		this.pulse('out', now());
		return true;
	}
	pulse(dir, t) {
		if (calm.matches || document.hidden || t - this.pulseAt < 240) return;
		this.pulseAt = t;
		const dot = make('u', dir);
		this.cord.append(dot);
		const ends = [{ left: '0%' }, { left: '100%' }];
		dot.animate(dir === 'out' ? ends : ends.reverse(), { duration: 750, easing: 'ease-in-out' }).onfinish = () => dot.remove();
	}
	paint() {
		const left = Math.max(0, this.until - now());
		if (this.state === 'waiting') this.card.style.setProperty('--slack', String(0.15 + 0.85 * (left / this.wait)));
		else this.card.style.removeProperty('--slack');
		setText(this.stateEl, this.state === 'waiting' ? `waiting ${(left / 1000).toFixed(1)} s` : this.state);
		const [rtt, got, sent, last] = this.cells;
		setText(rtt, this.rtt === null ? '—' : ms(this.rtt));
		setText(got, bytes(this.in));
		setText(sent, bytes(this.out));
		const held = this.hooks.held?.() || 0;
		setText(last, (this.last ? inWords(this.last) : 'none yet') + (held && this.state !== 'open' ? ` · ${plural(held, 'message')} held` : ''));
		if (last.title !== last.textContent) last.title = last.textContent;
	}
}

// --- The board
const W = 10000, H = 6250;
const PALETTE = [['sockeye', '#e0402f'], ['amber', '#c08410'], ['moss', '#5f9636'], ['jade', '#1f9a82'], ['river', '#1f8fb3'], ['iris', '#8a63d2'], ['rose', '#d9538f'], ['stone', '#6f8490']];
const NIBS = [['fine', 24], ['medium', 48], ['broad', 96], ['brush', 190]];
const ID = /^[a-z0-9.]{1,40}$/;
const HEX = /^#(?:[0-9a-f]{3}|[0-9a-f]{6})$/i;
const visitor = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => (b % 36).toString(36)).join('');
const pick = PALETTE[[...visitor].reduce((n, c) => n * 31 + c.charCodeAt(0), 7) % PALETTE.length];
let colour = pick[1], width = NIBS[1][1];

const board = $('board'), over = $('over'), depths = $('depths');
const g = board.getContext('2d'), og = over.getContext('2d');
let scale = 0.08, ratio = 1;

const items = new Map();        // everything on the board, oldest first
const live = new Map();         // stroke id → stroke whose tail still moves
const undone = new Set();
const outbox = new Map();       // sent or to be sent, and not yet echoed: command → stroke id
const mine = [];                // own strokes, for undo
const marksSeen = new Set();
let strokeCount = 0, pointCount = 0, nextStroke = 0, nextMark = 0;

const rgb = (hex) => {
	const h = hex.length === 4 ? hex.replace(/[^#]/g, '$&$&') : hex;
	return [1, 3, 5].map((i) => parseInt(h.slice(i, i + 2), 16));
};
const lum = (c) => c.map((v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((n, v, i) => n + v * [0.2126, 0.7152, 0.0722][i], 0);
// The colour as drawn: the sent one, moved only as far as it needs to be seen on this theme's paper.
const inks = new Map();
function ink(hex) {
	let c = inks.get(hex);
	if (c) return c;
	const paper = lum(rgb(C.paper)), toward = isDark() ? 255 : 0, from = rgb(hex);
	for (let k = 0; k <= 1; k += 0.1) {
		const m = from.map((v) => Math.round(v + (toward - v) * k)), l = lum(m);
		c = `rgb(${m})`;
		if ((Math.max(l, paper) + 0.05) / (Math.min(l, paper) + 0.05) > 3) break;
	}
	if (inks.size > 500) inks.clear();
	inks.set(hex, c);
	return c;
}

const pen = (ctx, s) => {
	ctx.strokeStyle = ctx.fillStyle = ink(s.colour);
	ctx.lineWidth = Math.max(1, s.width * scale);
	ctx.lineCap = ctx.lineJoin = 'round';
};
// Quadratic curves from mid-point to mid-point; what lies after the last mid-point is the tail.
function bake(s) {
	pen(g, s);
	g.beginPath();
	for (const run of s.runs) {
		const p = run.p, n = p.length / 2;
		for (let i = run.baked; i < n; i++) {
			const x = p[2 * i] * scale, y = p[2 * i + 1] * scale;
			if (i === 0) {
				g.moveTo(x, y); g.lineTo(x + 0.01, y);
				continue;
			}
			const px = p[2 * i - 2] * scale, py = p[2 * i - 1] * scale;
			if (i === 1) g.moveTo(px, py);
			else g.moveTo((p[2 * i - 4] * scale + px) / 2, (p[2 * i - 3] * scale + py) / 2);
			g.quadraticCurveTo(px, py, (px + x) / 2, (py + y) / 2);
		}
		run.baked = n;
	}
	g.stroke();
}
function tail(ctx, s) {
	pen(ctx, s);
	ctx.beginPath();
	for (const { p } of s.runs) {
		const n = p.length;
		if (n < 4) continue;
		ctx.moveTo((p[n - 4] + p[n - 2]) / 2 * scale, (p[n - 3] + p[n - 1]) / 2 * scale);
		ctx.lineTo(p[n - 2] * scale, p[n - 1] * scale);
	}
	ctx.stroke();
}
function drawMark(m) {
	pen(g, m);
	g.beginPath();
	const [x, y, u, v] = m.at.map((n) => n * scale);
	if (m.kind === 'c') { g.arc(x, y, u, 0, 7); g.fill(); return; }
	g.moveTo(x, y);
	g.lineTo(u, v);
	g.stroke();
}
function redraw() {
	g.clearRect(0, 0, board.width, board.height);
	for (const it of items.values()) {
		if (it.kind !== 's') { drawMark(it); continue; }
		for (const run of it.runs) run.baked = 0;
		bake(it);
		if (!live.has(it.id)) tail(g, it);
	}
	wake();
}
let redrawAsked = 0;
const askRedraw = () => { redrawAsked ||= requestAnimationFrame(() => { redrawAsked = 0; redraw(); }); };
function counted() {
	board.dataset.strokes = String(strokeCount);
	board.dataset.marks = String(items.size - strokeCount);
	setText($('tallied'), plural(strokeCount, 'stroke'));
	$('invite').classList.toggle('gone', items.size > 0);
	while (mine.length && !items.has(mine.at(-1))) mine.pop();
	$('undo').disabled = !mine.length;
}
function remove(id) {
	const it = items.get(id);
	if (!it) return false;
	items.delete(id);
	live.delete(id);
	if (it.kind === 's') strokeCount--;
	for (const r of it.runs || []) pointCount -= r.p.length / 2;
	return true;
}
function trim() {
	let cut = false;
	for (const id of items.keys()) {
		if (pointCount <= 250000 && items.size <= 12000) break;
		cut = remove(id);
	}
	if (cut) askRedraw();
}
const hash = (s) => { let h = 0x811c9dc5; for (let i = 0; i < s.length; i++) h = Math.imul(h ^ s.charCodeAt(i), 0x01000193); return h; };

function newStroke(id, hex, w) {
	const s = { kind: 's', id, colour: hex, width: w, runs: [], seen: new Set(), touched: now() };
	items.set(id, s);
	strokeCount++;
	return s;
}
// Adds a batch to a stroke. A batch already there (an echo, or replayed history) changes nothing.
function addBatch(cmd, id, hex, w, pts) {
	if (undone.has(id)) return;
	let s = items.get(id);
	if (!s) {
		s = newStroke(id, hex, w);
		counted();
	}
	s.touched = now();
	const h = hash(cmd);
	if (s.seen.has(h)) return;
	s.seen.add(h);
	extend(s, pts);
}
function extend(s, pts) {
	let run = s.runs.at(-1);
	if (!run || run.p.at(-2) !== pts[0] || run.p.at(-1) !== pts[1]) s.runs.push(run = { p: [], baked: 0 });
	for (let i = 0; i < pts.length; i += 2) {
		if (run.p.at(-2) === pts[i] && run.p.at(-1) === pts[i + 1]) continue;
		run.p.push(pts[i], pts[i + 1]);
		pointCount++;
	}
	s.drawnAt = now();
	live.set(s.id, s);
	bake(s);
	wake();
}
const NUM = /^-?\d{1,6}(?:\.\d{1,6})?$/;
const numbers = (list) => (list.length && list.every((v) => NUM.test(v)) ? list.map(Number) : null);
const inside = (pts) => pts.map((v, i) => clamp(Math.round(v), 0, i % 2 ? H : W));
// Historic messages speak of a board of 500 × 375 pixels: scaled alike both ways, centred.
const PX = H / 375, OX = (W - 500 * PX) / 2;

function receive(text, t) {
	if (text.length > 65536) return;
	for (const part of text.split(';')) {
		const cmd = part.trim();
		if (!cmd) continue;
		const f = cmd.split(/\s+/);
		if (f[0] === 's') {
			const w = Number(f[3]), pts = numbers(f.slice(4));
			if (!ID.test(f[1]) || !HEX.test(f[2]) || !(w > 0 && w <= 1000) || !pts || pts.length < 2 || pts.length % 2) continue;
			outbox.delete(cmd);
			addBatch(cmd, f[1], f[2], w, inside(pts));
		} else if (f[0] === 'u') {
			if (!ID.test(f[1])) continue;
			outbox.delete(cmd);
			forget(f[1]);
		} else if (f[0] === 'm') {
			const at = numbers(f.slice(3, 5));
			if (f[1] === visitor || !ID.test(f[1]) || !HEX.test(f[2]) || at?.length !== 2) continue;
			seeCursor(f[1], f[2], ...inside(at), t);
		} else if (f[0] === 'p') {
			if (f[1] === visitor) probed(Number(f[2]), t);
		} else if (f[0] === 'd' || f[0] === 'c') {
			const v = numbers(f.slice(2)), want = f[0] === 'd' ? 4 : 3;
			if (!HEX.test(f[1]) || v?.length !== want) continue;
			if (!ready && marksSeen.has(cmd)) continue;
			if (marksSeen.size < 20000) marksSeen.add(cmd);
			const at = v.map((n, i) => (f[0] === 'c' && i === 2 ? Math.abs(n) * PX : n * PX + (i % 2 ? 0 : OX)));
			const m = { kind: f[0], colour: f[1], width: 2 * PX, at };
			items.set(`mark ${nextMark++}`, m);
			drawMark(m);
			counted();
		}
	}
	trim();
}
function forget(id) {
	undone.add(id);
	if (undone.size > 5000) undone.delete(undone.values().next().value);
	for (const [cmd, of] of outbox) if (of === id && cmd[0] === 's') outbox.delete(cmd);
	if (remove(id)) { counted(); askRedraw(); }
}
function post(cmd, id) {
	outbox.set(cmd, id);
	if (ready) lines.mirror.send(cmd + ';');
}

// Replayed history ends where the echo of our own probe begins. Only then is the rest resent.
let ready = false, syncProbe = 0, syncTimer, synced = 0, probe = 0;
const probes = new Map();
function sendProbe() {
	probes.set(++probe, now());
	if (probes.size > 20) probes.delete(probes.keys().next().value);
	lines.mirror.send(`p ${visitor} ${probe};`);
	return probe;
}
function probed(n, t) {
	const sent = probes.get(n);
	if (sent !== undefined) { lines.mirror.rtt = t - sent; probes.delete(n); }
	if (!ready && n === syncProbe) becomeReady(true);
}
function becomeReady(whole) {
	clearTimeout(syncTimer);
	if (ready || lines.mirror.state !== 'open') return;
	ready = true;
	if (whole) synced = lines.mirror.openedAt;
	const n = outbox.size;
	for (const cmd of outbox.keys()) lines.mirror.send(cmd + ';');
	if (lines.mirror.lostAt) say(`Board line is back; ${plural(strokeCount, 'stroke')} kept${n ? `, ${plural(n, 'held message')} sent again` : ''}.`);
	reconcile();
}
// Strokes undone while we were away are missing from a history that reaches further back than they do.
// A restarted server has no such history, so nothing is dropped unless it is known to be the same run.
function reconcile() {
	if (!synced || statusAt < lines.mirror.startedAt) return;
	const since = synced;
	synced = 0;
	if (restarted) { restarted = false; return; }
	const held = new Set(outbox.values());
	let reached = false, gone = 0;
	for (const [id, it] of items) {
		if (it.kind !== 's') continue;
		if (it.touched >= since) reached = true;
		else if (reached && !held.has(id) && remove(id)) gone++;
	}
	if (gone) { counted(); askRedraw(); }
}

// Own strokes
const strokesInHand = new Map();   // pointer → stroke being drawn
let flusher = 0;
function begin(key, x, y) {
	const id = `${visitor}.${nextStroke++}`;
	const s = newStroke(id, colour, width);
	mine.push(id);
	strokesInHand.set(key, { s, batch: [x, y] });
	extend(s, [x, y]);
	counted();
	flusher ||= setInterval(flush, 30);
}
function move(key, x, y) {
	const h = strokesInHand.get(key);
	if (!h) return;
	const b = h.batch, n = b.length;
	if (Math.hypot(b[n - 2] - x, b[n - 1] - y) < 9) return;
	b.push(x, y);
	extend(h.s, [b[n - 2], b[n - 1], x, y]);
	if (b.length >= 120) flushOne(h);
}
function end(key) {
	const h = strokesInHand.get(key);
	if (!h) return;
	flushOne(h, true);
	strokesInHand.delete(key);
	if (!strokesInHand.size) { clearInterval(flusher); flusher = 0; }
}
function flushOne(h, last) {
	const b = h.batch;
	if (b.length < 4) {
		if (!last || h.sent) return;
		b.push(b[0], b[1]);               // a dot
	}
	const cmd = `s ${h.s.id} ${h.s.colour} ${h.s.width} ${b.join(' ')}`;
	h.s.seen.add(hash(cmd));
	h.batch = b.slice(-2);
	h.sent = true;
	if (items.has(h.s.id)) post(cmd, h.s.id);
}
const flush = () => { for (const h of strokesInHand.values()) flushOne(h); };
function undo() {
	for (const key of [...strokesInHand.keys()]) end(key);
	const id = mine.pop();
	if (!id) return;
	forget(id);
	post(`u ${id}`, id);
	counted();
	say('Last stroke taken back.');
}
on($('undo'), 'click', undo);

// Pointers
const spot = (e, box) => inside([(e.clientX - box.left) / box.width * W, (e.clientY - box.top) / box.height * H]);
let toldAt = 0, toldTimer;
function tell(x, y) {
	setText($('fix'), `x ${x}  y ${y}`);
	clearTimeout(toldTimer);
	const wait = 50 - (now() - toldAt);
	if (wait > 0) { toldTimer = setTimeout(tell, wait, x, y); return; }
	toldAt = now();
	if (ready && lines.mirror.ws.bufferedAmount < 4096) lines.mirror.send(`m ${visitor} ${colour} ${x} ${y};`);
}
on(board, 'pointerdown', (e) => {
	if (e.button !== 0) return;
	try { board.setPointerCapture(e.pointerId); } catch { /* a pointer already gone */ }
	keyPen = null;
	begin(e.pointerId, ...spot(e, board.getBoundingClientRect()));
});
on(board, 'pointermove', (e) => {
	const box = board.getBoundingClientRect();
	if (strokesInHand.has(e.pointerId)) {
		const path = e.getCoalescedEvents?.() || [];
		for (const c of path.length ? path : [e]) move(e.pointerId, ...spot(c, box));
	}
	tell(...spot(e, box));
});
for (const type of ['pointerup', 'pointercancel', 'lostpointercapture']) on(board, type, (e) => end(e.pointerId));

// Keyboard
let keyPen = null;
const penAt = () => (keyPen ||= { x: W / 2, y: H / 2, down: false });
const penUp = () => { end('key'); if (keyPen) keyPen.down = false; wake(); };
on(board, 'focus', () => {
	if (!board.matches(':focus-visible')) return;
	say('Arrow keys move the pen, Space lowers or lifts it, Ctrl+Z takes back a stroke.');
	penAt();
	wake();
});
on(board, 'blur', () => { penUp(); keyPen = null; wake(); });
on(board, 'keydown', (e) => {
	if (e.ctrlKey || e.metaKey || e.altKey) return;
	const dir = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[e.key];
	if (!dir && e.key !== ' ') return;
	e.preventDefault();
	penAt();
	if (dir) {
		const step = e.shiftKey ? 400 : 100;
		keyPen.x = clamp(keyPen.x + dir[0] * step, 0, W);
		keyPen.y = clamp(keyPen.y + dir[1] * step, 0, H);
		if (keyPen.down) move('key', keyPen.x, keyPen.y);
	} else if (e.repeat) return;
	else if (keyPen.down) { penUp(); say('Pen up.'); } else { keyPen.down = true; begin('key', keyPen.x, keyPen.y); say('Pen down.'); }
	tell(keyPen.x, keyPen.y);
	wake();
});
on(document, 'keydown', (e) => {
	if ((e.ctrlKey || e.metaKey) && !e.shiftKey && !e.altKey && e.key.toLowerCase() === 'z') { e.preventDefault(); undo(); }
	else if (e.ctrlKey || e.metaKey || e.altKey) return;
	else if (e.key === 'm' || e.key === 'M') toggleDrawer();
	else if (e.key === 'Escape') { if (!drawer.hidden) toggleDrawer(false); else penUp(); }
});

// Colours and nibs
const paintSwatches = [];
const option = (parent, group, label, value) => {
	const l = make('label'), input = make('input'), i = make('i');
	input.type = 'radio';
	input.name = group;
	input.value = value;
	input.ariaLabel = l.title = label;
	l.append(input, i);
	$(parent).append(l);
	return { l, input, i };
};
for (const [name, hex] of PALETTE) {
	const { input, i } = option('swatches', 'colour', name, hex);
	input.checked = hex === colour;
	paintSwatches.push(() => { i.style.backgroundColor = ink(hex); });
	on(input, 'change', () => { colour = hex; own.l.classList.remove('on'); wake(); });
}
const own = option('swatches', 'own', 'another colour', colour);
own.l.className = 'own';
own.input.type = 'color';
on(own.input, 'input', () => {
	if (!HEX.test(own.input.value)) return;
	colour = own.input.value;
	own.i.style.background = colour;
	own.l.classList.add('on');
	for (const r of $('swatches').querySelectorAll('[type=radio]')) r.checked = false;
});
NIBS.forEach(([name, w], k) => {
	const { input, i } = option('nibs', 'nib', `${name} pen`, w);
	input.checked = w === width;
	i.style.width = i.style.height = `${[4, 7, 11, 17][k]}px`;
	on(input, 'change', () => { width = w; });
});

// Cursors of the others: each a small fish, its nose where the visitor points.
const FISH = new Path2D('M0 0C4-7 13-8 18.5-2.5L26-7l-2 7 2 7-7.5-4.5C13 8 4 7 0 0z');
const cursors = new Map();
function seeCursor(id, hex, x, y, t) {
	let c = cursors.get(id);
	if (!c) {
		if (cursors.size > 200) return;
		cursors.set(id, c = { x, y, a: -0.5 });
	}
	const dx = x - (c.tx ?? x), dy = y - (c.ty ?? y);
	if (Math.hypot(dx, dy) > 40) c.want = Math.atan2(dy, dx);
	Object.assign(c, { hex, tx: x, ty: y, at: t });
	wake();
}
let awake = 0;
const wake = () => { awake ||= requestAnimationFrame(overlay); };
function overlay() {
	awake = 0;
	const t = now();
	og.clearRect(0, 0, over.width, over.height);
	for (const [id, s] of live) {
		if (t - s.drawnAt > 350 && ![...strokesInHand.values()].some((h) => h.s === s)) { live.delete(id); tail(g, s); } else { tail(og, s); wake(); }
	}
	for (const [id, c] of cursors) {
		const idle = t - c.at;
		if (idle > 5000) { cursors.delete(id); continue; }
		const k = calm.matches ? 1 : 0.35;
		c.x += (c.tx - c.x) * k;
		c.y += (c.ty - c.y) * k;
		if (c.want !== undefined) {
			const turn = Math.atan2(Math.sin(c.want - c.a), Math.cos(c.want - c.a));
			c.a += turn * k * 0.6;
		}
		og.save();
		og.globalAlpha = calm.matches ? 1 : clamp((5000 - idle) / 2500, 0, 1);
		og.translate(c.x * scale, c.y * scale);
		og.scale(ratio, ratio);
		og.font = '600 11px ui-monospace, Consolas, monospace';
		og.lineWidth = 3;
		og.lineJoin = 'round';
		og.strokeStyle = C.paper;
		og.fillStyle = ink(c.hex);
		const name = [id.slice(0, 4), c.x > W * 0.94 ? -36 : 8, c.y > H * 0.94 ? -14 : 24];
		og.strokeText(...name);
		og.fillText(...name);
		og.rotate(c.a + Math.PI);
		og.stroke(FISH);
		og.fill(FISH);
		og.fillStyle = C.paper;
		og.beginPath();
		og.arc(6, -1.5, 1.3, 0, 7);
		og.fill();
		og.restore();
		wake();
	}
	if (keyPen) {
		const x = keyPen.x * scale, y = keyPen.y * scale, r = Math.max(5 * ratio, width * scale / 2 + 3 * ratio), arm = r + 8 * ratio;
		og.beginPath();
		og.arc(x, y, r, 0, 7);
		for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) { og.moveTo(x + dx * r, y + dy * r); og.lineTo(x + dx * arm, y + dy * arm); }
		for (const [w, c] of [[5, C.paper], [2, keyPen.down ? ink(colour) : C.ink]]) { og.lineWidth = w * ratio; og.strokeStyle = c; og.stroke(); }
	}
}

// The paper: a river bed with its depth lines and soundings, the same for everyone.
function bed(u, v) {
	const mid = 0.5 + 0.2 * Math.sin(u * 4.1 + 0.4) - 0.1 * Math.sin(u * 9.3), d = (v - mid) / (0.27 + 0.08 * Math.sin(u * 6 + 2));
	return 14 * Math.exp(-d * d) + 2.2 * Math.sin(u * 13 + v * 7) * Math.sin(v * 11 - u * 5) + 1.1 * Math.sin(u * 23 - v * 17 + 1) + 1.5;
}
const NX = 128, NY = 80, bedAt = [];
for (let j = 0; j <= NY; j++) for (let i = 0; i <= NX; i++) bedAt.push(bed(i / NX, j / NY));
function drawDepths() {
	const d = depths.getContext('2d'), w = depths.width, h = depths.height;
	const at = (i, j) => bedAt[j * (NX + 1) + i];
	// Tint by depth, in small cells, then blurred by scaling.
	const small = document.createElement('canvas');
	small.width = NX; small.height = NY;
	const sg = small.getContext('2d'), px = sg.createImageData(NX, NY), tint = rgb(isDark() ? '#2f7f86' : '#6fb2bb');
	for (let j = 0; j < NY; j++) for (let i = 0; i < NX; i++) {
		const o = 4 * (j * NX + i);
		px.data.set([...tint, clamp(Math.ceil(at(i, j) / 3) * 3, 0, 15) / 15 * (isDark() ? 40 : 46)], o);
	}
	sg.putImageData(px, 0, 0);
	d.imageSmoothingQuality = 'high';
	d.drawImage(small, 0, 0, w, h);
	// Marching squares
	d.strokeStyle = C.rule;
	for (let level = 0; level <= 16; level += 2) {
		d.lineWidth = (level % 6 ? 0.6 : 1.1) * ratio;
		d.globalAlpha = level % 6 ? 0.55 : 0.85;
		d.beginPath();
		for (let j = 0; j < NY; j++) for (let i = 0; i < NX; i++) {
			const q = [at(i, j), at(i + 1, j), at(i + 1, j + 1), at(i, j + 1)];
			if (Math.min(...q) >= level || Math.max(...q) < level) continue;
			const c = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]], cross = [];
			for (let k = 0; k < 4; k++) {
				const a = q[k], b = q[(k + 1) % 4];
				if (a < level !== b < level) {
					const s = (level - a) / (b - a), A = c[k], B = c[(k + 1) % 4];
					cross.push([(A[0] + (B[0] - A[0]) * s) / NX * w, (A[1] + (B[1] - A[1]) * s) / NY * h]);
				}
			}
			for (let k = 0; k + 1 < cross.length; k += 2) { d.moveTo(...cross[k]); d.lineTo(...cross[k + 1]); }
		}
		d.stroke();
	}
	d.globalAlpha = 0.75;
	d.fillStyle = C.edge;
	d.textAlign = 'center';
	d.font = `italic ${Math.max(9 * ratio, w / 78)}px "Iowan Old Style", Palatino, Georgia, serif`;
	for (let k = 0; k < 46; k++) {
		const u = (k * 0.618034 + 0.05) % 1, v = (k * 0.381 * 1.71 + 0.08) % 1, depth = bed(u, v);
		if (depth > 2.5 && u > 0.03 && u < 0.97 && v > 0.05 && v < 0.96) d.fillText(String(Math.round(depth)), u * w, v * h);
	}
}
let fitted = '';
function fit() {
	const box = board.getBoundingClientRect();
	ratio = clamp(window.devicePixelRatio || 1, 1, 4);
	const w = Math.max(1, Math.round(box.width * ratio)), h = Math.max(1, Math.round(box.height * ratio)), was = fitted;
	fitted = `${w} ${h} ${root.dataset.theme}`;
	if (fitted === was) return;
	for (const c of [board, over, depths]) { c.width = w; c.height = h; }
	scale = w / W;
	drawDepths();
	redraw();
}
new ResizeObserver(() => requestAnimationFrame(fit)).observe(board);
on(window, 'resize', () => requestAnimationFrame(fit));

// --- Counter and its jitter
const drums = $('counter'), ticks = [];
let value = null, tickAt = 0, resetAt = 0, stripAsked = 0;
function showValue() {
	const digits = String(value), cells = Math.max(6, digits.length);
	while (drums.children.length < cells) drums.append(make('span'));
	while (drums.children.length > cells) drums.lastChild.remove();
	for (let i = 0; i < cells; i++) setText(drums.children[i], digits[digits.length - cells + i] || '');
	drums.dataset.value = digits;
}
function onTick(text, t, line) {
	const s = text.trim();
	if (!/^-?\d{1,15}$/.test(s)) return;
	value = Number(s);
	if (resetAt && value <= 1) { line.rtt = t - resetAt; resetAt = 0; }
	// The first half second after opening measures this page's start, not the server.
	if (tickAt && !document.hidden && t - line.openedAt > 600) {
		ticks.push(t - tickAt - 50);
		if (ticks.length > 120) ticks.shift();
	}
	tickAt = document.hidden ? 0 : t;
	showValue();
	if (!calm.matches) stripAsked ||= requestAnimationFrame(drawStrip);
}
on(document, 'visibilitychange', () => { tickAt = 0; });
on($('reset'), 'click', () => {
	if (lines.counter.send('reset\n')) { resetAt = now(); say('Counter reset.'); }
});
const strip = $('jitter');
function drawStrip() {
	stripAsked = 0;
	const box = strip.getBoundingClientRect(), w = Math.round(box.width * ratio), h = Math.round(box.height * ratio);
	if (!w || !h) return;
	strip.width = w;
	strip.height = h;
	const c = strip.getContext('2d'), mid = Math.round(h / 2) + 0.5, pad = 10 * ratio;
	const peak = ticks.reduce((m, v) => Math.max(m, Math.abs(v)), 1);
	const full = [2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000].find((v) => v >= peak) || peak;
	c.lineWidth = ratio;
	c.strokeStyle = C.edge;
	c.beginPath();
	c.moveTo(0, mid);
	c.lineTo(w, mid);
	c.stroke();
	c.fillStyle = C.soft;
	c.font = `${11 * ratio}px system-ui, sans-serif`;
	c.fillText(`+${full} ms`, 5 * ratio, 13 * ratio);
	c.fillText(`−${full} ms`, 5 * ratio, h - 5 * ratio);
	if (!ticks.length) return;
	const X = (i) => w - pad - (ticks.length - 1 - i) * (w - 2 * pad) / 119, Y = (v) => mid - clamp(v / full, -1, 1) * (h / 2 - 5 * ratio);
	c.strokeStyle = c.fillStyle = C.red;
	c.lineWidth = 1.5 * ratio;
	c.lineJoin = 'round';
	c.beginPath();
	ticks.forEach((v, i) => c.lineTo(X(i), Y(v)));
	c.stroke();
	c.beginPath();
	const ex = X(ticks.length - 1), ey = Y(ticks.at(-1));
	c.moveTo(ex, ey);
	c.lineTo(w, ey - 4 * ratio);
	c.lineTo(w, ey + 4 * ratio);
	c.fill();
}

// --- Status
let statusAt = 0, uptime = null, boot = null, restarted = false;
const ROWS = [['counter', 'dumb-increment-protocol'], ['board', 'lws-mirror-protocol'], ['status', 'lws-status']];
const count = (v) => (Number.isFinite(v) && v >= 0 ? Math.floor(v) : null);
const rows = ROWS.map(([name]) => {
	const div = make('div'), fish = make('dd', 'fish'), n = make('dd', '', '–');
	div.append(make('dt', '', name), fish, n);
	$('shoal').append(div);
	return { fish, n, drawn: '' };
});
function fry(you) {
	const ns = 'http://www.w3.org/2000/svg', svg = document.createElementNS(ns, 'svg'), use = document.createElementNS(ns, 'use');
	use.setAttribute('href', '#fry');
	svg.append(use);
	svg.setAttribute('aria-hidden', 'true');
	if (you) svg.setAttribute('class', 'you');
	return svg;
}
function onStatus(text, t, line) {
	if (line.rtt === null || line.first !== line.openedAt) { line.rtt = t - line.openedAt; line.first = line.openedAt; }
	let s;
	try { s = JSON.parse(text); } catch { return; }
	if (!s || typeof s !== 'object') return;
	const list = Array.isArray(s.list) ? s.list.filter((c) => c && typeof c === 'object') : [];
	const per = s.protocols && typeof s.protocols === 'object' ? s.protocols : {};
	const n = ROWS.map(([, p]) => count(per[p]) ?? list.filter((c) => c.protocol === p).length);
	const total = count(s.connections) ?? (list.length || n.reduce((a, b) => a + b, 0));
	// A page holds one connection of each protocol, so the fullest row counts the visitors.
	const people = Math.max(...n) || (total ? Math.ceil(total / 3) : 0);
	setText($('visitors'), String(people));
	$('visitors').dataset.connections = String(total);
	setText($('visitors-word'), people === 1 ? 'visitor' : 'visitors');
	setText($('shoal-note'), `${plural(total, 'connection')}, one fish each`);
	ROWS.forEach(([, p], k) => {
		const yours = list.filter((c) => c.protocol === p && c.you === true).length, drawn = `${n[k]} ${yours}`;
		setText(rows[k].n, String(n[k]));
		if (rows[k].drawn === drawn) return;
		rows[k].drawn = drawn;
		rows[k].fish.replaceChildren(...Array.from({ length: Math.min(n[k], 40) }, (_, i) => fry(i < yours)));
	});
	if (Number.isFinite(s.uptime_s)) {
		uptime = { s: s.uptime_s, t };
		const b = t / 1000 - s.uptime_s;
		if (boot !== null && Math.abs(b - boot) > 5) restarted = true;
		boot = b;
	} else restarted = true;   // cannot tell: then nothing on the board is dropped
	accepted = count(s.accepted);
	statusAt = t;
	reconcile();
}
let accepted = null;

// --- The three lines
lines.counter = new Line('counter', 'dumb-increment-protocol', 'Counter', 'reset → fresh count', 'From sending a reset to the first value of at most 1. The counter has no echo, so this includes up to one 50 ms tick.', {
	open: () => { tickAt = resetAt = 0; $('reset').disabled = false; },
	message: onTick,
	close: () => { $('reset').disabled = true; },
});
lines.mirror = new Line('mirror', 'lws-mirror-protocol', 'Board', 'probe echo', 'Round trip of a probe that the server mirrors back, sent every two seconds.', {
	open: () => {
		ready = false;
		probes.clear();
		syncProbe = sendProbe();
		syncTimer = setTimeout(becomeReady, 4000, false);
	},
	message: receive,
	close: () => { ready = false; clearTimeout(syncTimer); flush(); },
	held: () => outbox.size,
});
lines.status = new Line('status', 'lws-status', 'Status', 'open → first message', 'From the opened connection to its first message. This protocol has no echo to time.', { message: onStatus });
setInterval(() => { if (lines.mirror.state === 'open' && ready) sendProbe(); }, 2000);
const all = Object.values(lines);
for (const line of all) line.connect();
on(window, 'online', () => { for (const l of all) if (l.state === 'closed' || l.state === 'waiting') l.cut(); });

// --- The slow clock: everything that need not follow each message
let beat = 0;
setInterval(() => {
	beat++;
	for (const l of all) if (l.state === 'waiting' || beat % 2 === 0) l.paint();
	if (logDirty && !drawer.hidden && beat % 3 === 0 && !drawer.matches(':active')) drawLog();
	if (beat % 5) return;
	if (ticks.length) {
		const off = ticks.map(Math.abs), mid = ms(median(off)), worst = ms(Math.max(...off));
		setText($('j-median'), mid);
		setText($('j-worst'), worst);
		strip.ariaLabel = `Tick jitter: median ${mid}, worst ${worst} off 50 ms over the last ${ticks.length} ticks`;
	}
	if (beat % 10) return;
	if (value !== null) drums.ariaLabel = `Counter at ${value}`;
	if (calm.matches) drawStrip();
	if (uptime) setText($('server-note'), `up ${span(uptime.s + (now() - uptime.t) / 1000)}${accepted === null ? '' : ` · ${accepted.toLocaleString('en')} accepted`}`);
}, 100);

// --- Theme
function themed() {
	setTheme();
	readColours();
	inks.clear();
	$('theme').ariaLabel = $('theme').title = isDark() ? 'Use the light theme' : 'Use the dark theme';
	for (const f of paintSwatches) f();
	fit();
	drawStrip();
}
on($('theme'), 'click', () => {
	theme = isDark() ? 'light' : 'dark';
	try { localStorage.setItem('sockeye-theme', theme); } catch { /* kept in memory */ }
	themed();
});
on(dark, 'change', themed);
for (let i = 0; i < 6; i++) drums.append(make('span'));
themed();
counted();
