"""Charts as SVG: ratios of every case, and cost against size. Text and shapes only."""
import html
import math

from . import allocators, report

# Told apart also by readers who do not see all colours (Okabe and Ito's palette), and by shape.
COLOURS = {"ashlar": "#d55e00", "mimalloc": "#000000", "tcmalloc": "#0072b2", "jemalloc": "#009e73",
           "scudo": "#cc79a7", "glibc": "#8c8c8c"}
SPARE_COLOURS = ["#e69f00", "#56b4e9", "#7b5b3a"]
SHAPES = ["circle", "square", "up", "down", "diamond", "cross"]

ROW, LABEL, PANEL, GAP, TOP = 15, 150, 330, 50, 76
LEAST, MOST = 1 / 8, 8  # of a ratio; what lies beyond is drawn at the edge


def style(names):
    spare = iter(SPARE_COLOURS * len(names))
    return {name: (COLOURS.get(name) or next(spare), SHAPES[place % len(SHAPES)])
            for place, name in enumerate(names)}


def text(x, y, content, extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {extra}>{html.escape(content)}</text>'


def line(x1, y1, x2, y2, colour="#dddddd", width=1):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"/>')


def mark(x, y, colour, shape, size, told):
    points = {"up": [(0, -1), (1, 1), (-1, 1)], "down": [(0, 1), (1, -1), (-1, -1)],
              "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
              "diamond": [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)]}
    hint = f"<title>{html.escape(told)}</title>"
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" fill="{colour}">{hint}</circle>'
    if shape == "cross":
        return (f'<path d="M{x - size:.1f} {y - size:.1f}l{2 * size} {2 * size}m0 {-2 * size}'
                f'l{-2 * size} {2 * size}" stroke="{colour}" stroke-width="1.6">{hint}</path>')
    corners = " ".join(f"{x + a * size:.1f},{y + b * size:.1f}" for a, b in points[shape])
    return f'<polygon points="{corners}" fill="{colour}">{hint}</polygon>'


def document(width, height, parts):
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>', *parts, "</svg>", ""])


def legend(styles, x, y):
    parts = []
    for name, (colour, shape) in styles.items():
        parts += [mark(x, y - 4, colour, shape, 4, name), text(x + 9, y, name)]
        x += 24 + 7 * len(name)
    return parts


def ratio_axis(x, title, bottom):
    parts = [text(x + PANEL / 2, TOP - 24, title, 'text-anchor="middle" font-weight="bold"')]
    tick = LEAST
    while tick <= MOST:
        at = ratio_place(x, tick)
        is_one = tick == 1
        parts += [line(at, TOP - 6, at, bottom, "#888888" if is_one else "#dddddd"),
                  text(at, TOP - 9, f"{tick:g}", 'text-anchor="middle"')]
        tick *= 2
    return parts


def ratio_place(x, ratio):
    ratio = min(max(ratio, LEAST), MOST)
    return x + PANEL * math.log(ratio / LEAST) / math.log(MOST / LEAST)


def ratios(results, keys):
    """One row for each case: every allocator's time, and beside it its memory, over mimalloc's"""
    styles = style(results.names)
    rows, last = [], None
    for key in keys:
        kind = results.cases[key][0]
        if kind != last:
            rows.append((kind, None))
            last = kind
        rows.append((key.split("/")[1], key))
    bottom = TOP + ROW * len(rows)
    panels = [(LABEL, f"processor time / {allocators.REFERENCE}'s", report.TIME),
              (LABEL + PANEL + GAP, f"peak memory / {allocators.REFERENCE}'s", report.MEMORY)]
    parts = legend(styles, LABEL, 20)
    for x, title, _ in panels:
        parts += ratio_axis(x, title, bottom)
    for place, (name, key) in enumerate(rows):
        y = TOP + ROW * place + ROW / 2
        if key is None:
            parts.append(text(8, y + 4, name, 'font-weight="bold"'))
            continue
        parts += [text(LABEL - 10, y + 4, name, 'text-anchor="end"'),
                  line(LABEL, y, LABEL + 2 * PANEL + GAP, y, "#f0f0f0")]
        # Ours last, so that it is on top.
        for x, _, field in panels:
            for other in sorted(results.names, key=lambda one: one == allocators.OURS):
                value = results.ratio(key, other, allocators.REFERENCE, field)
                if value:
                    colour, shape = styles[other]
                    size = 4.5 if other == allocators.OURS else 3
                    parts.append(mark(ratio_place(x, value), y, colour, shape, size,
                                      f"{name}: {other} {value:.2f}"))
    return document(LABEL + 2 * PANEL + GAP + 24, bottom + 16, parts)


WIDE, HIGH = 420, 300


def curve_panel(results, keys, styles, x, title, unit_of):
    """ns for an operation against the number that the case is named by, both logarithmic"""
    points = {}
    for name in results.names:
        for key in keys:
            each = results.middle(key, name, report.TIME)
            if each is not None:
                points.setdefault(name, []).append((int(key.split("/")[1]), each))
    every = [value for row in points.values() for _, value in row]
    firsts = [at for row in points.values() for at, _ in row]
    low, high = 10 ** math.floor(math.log10(min(every))), 10 ** math.ceil(math.log10(max(every)))
    left, right = min(firsts), max(firsts)

    def at_x(value):
        return x + WIDE * math.log(value / left) / math.log(right / left)

    def at_y(value):
        return TOP + HIGH - HIGH * math.log(value / low) / math.log(high / low)

    parts = [text(x + WIDE / 2, TOP - 16, title, 'text-anchor="middle" font-weight="bold"')]
    tick = low
    while tick <= high:
        parts += [line(x, at_y(tick), x + WIDE, at_y(tick)),
                  text(x - 6, at_y(tick) + 4, f"{tick:,.0f}", 'text-anchor="end"')]
        tick *= 10
    for key in keys[::4] if len(keys) > 10 else keys:
        value = int(key.split("/")[1])
        parts += [line(at_x(value), TOP, at_x(value), TOP + HIGH),
                  text(at_x(value), TOP + HIGH + 16, unit_of(value), 'text-anchor="middle"')]
    for name in sorted(points, key=lambda one: one == allocators.OURS):
        colour, shape = styles[name]
        path = " ".join(f"{at_x(a):.1f},{at_y(b):.1f}" for a, b in points[name])
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                     f'stroke-width="{2.4 if name == allocators.OURS else 1.2}"/>')
        parts += [mark(at_x(a), at_y(b), colour, shape, 3, f"{name}: {b:.1f} ns at {a:,}")
                  for a, b in points[name]]
    return parts


def curves(results, unit_of_size, unit_of_count):
    styles = style(results.names)
    panels = [("sizes", "ns for a free and a malloc, against the block's size", unit_of_size),
              ("live", "the same, against the number of live blocks", unit_of_count)]
    parts, x = legend(styles, 60, 20), 60
    for kind, title, unit_of in panels:
        keys = results.of_kinds([kind])
        if len(keys) > 1:
            parts += curve_panel(results, keys, styles, x, title, unit_of)
            x += WIDE + 70
    return document(x, TOP + HIGH + 40, parts)
