// measure returns what is wrong with the page as it is shown now, and some
// facts about it.
(() => {
	const shown = e => e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0;
	// What is for screen readers alone, or comes up with the keyboard, has no place.
	const aside = e => e.closest('.skip') || getComputedStyle(e).clipPath !== 'none' || e.closest('caption, thead') && getComputedStyle(e.closest('caption, thead')).clipPath !== 'none';
	const name = e => e.localName + (e.className && e.className.baseVal === undefined ? '.' + e.className : '') + ' ' + JSON.stringify(e.textContent.slice(0, 40));
	const colour = text => {
		const n = text.match(/[\d.]+/g).map(Number);
		if (!text.startsWith('rgb')) throw new Error('a colour like ' + text);
		return { r: n[0], g: n[1], b: n[2], a: n.length > 3 ? n[3] : 1 };
	};
	// WCAG 2.2, relative luminance and contrast ratio.
	const channel = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
	const luminance = c => 0.2126 * channel(c.r) + 0.7152 * channel(c.g) + 0.0722 * channel(c.b);
	const ratio = (a, b) => { const x = luminance(a), y = luminance(b); return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05); };
	const behind = e => {
		for (; e; e = e.parentElement) {
			const c = colour(getComputedStyle(e).backgroundColor);
			if (c.a === 1) return c;
			if (c.a !== 0) throw new Error('a background that is half transparent: ' + name(e));
		}
		// What is painted where nothing is: the browser's own.
		return matchMedia('(prefers-color-scheme: dark)').matches ? { r: 18, g: 18, b: 18 } : { r: 255, g: 255, b: 255 };
	};
	const wrong = [];
	const width = document.documentElement.clientWidth;
	if (document.documentElement.scrollWidth > width) wrong.push('it is ' + document.documentElement.scrollWidth + ' wide, of ' + width);
	let least = 21, texts = 0;
	for (const e of document.body.querySelectorAll('*')) {
		if (!shown(e) || aside(e)) continue;
		for (const r of e.getClientRects()) {
			if (r.right > width + 0.5 || r.left < -0.5) { wrong.push('it is outside, from ' + r.left + ' to ' + r.right + ': ' + name(e)); break; }
		}
		if (e.namespaceURI.endsWith('svg')) continue;
		if (![...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim())) continue;
		texts++;
		const style = getComputedStyle(e);
		if (parseFloat(style.fontSize) < 12) wrong.push('letters of ' + style.fontSize + ': ' + name(e));
		const got = ratio(colour(style.color), behind(e));
		least = Math.min(least, got);
		if (got < 4.5) wrong.push('a contrast of ' + got.toFixed(2) + ': ' + name(e));
	}
	const folded = [...document.querySelectorAll('details:not([open]) td')];
	return {
		wrong, texts, least,
		folded: folded.length, unfolded: folded.filter(shown).length,
		background: getComputedStyle(document.body).backgroundColor,
		scripted: typeof globalThis.scripted, title: document.title,
		height: document.documentElement.scrollHeight,
	};
})()
