"""Matching of detections by the letter of its rules, pair by pair."""

import math


def factor(a, b):
    a, b = max(a, 1e-9), max(b, 1e-9)
    return max(a / b, b / a)


def apart(row, one):
    return math.hypot(row[0] - one["x"], row[1] - one["y"])


def is_there(row, one, rules):
    reach = max(rules.near, rules.near_radii * min(row[2], one["radius"]))
    least = rules.least_radius
    sizes = factor(max(row[2], least), max(one["radius"], least))
    return apart(row, one) <= reach and sizes < rules.alike


def is_within(row, one, rules):
    return (
        apart(row, one) + row[2] <= one["radius"] * rules.blend
        and row[2] < one["radius"]
        and row[3] < rules.alike * one["depth"]
    )


def match(looks, rules):
    """Take looks, each (chip, rows of (x, y, radius, depth)), in their order; give (feature, reason) of every row."""
    features = []
    return [match_look(chip, rows, features, rules) for chip, rows in looks]


def match_look(chip, rows, features, rules):
    given, taken, begun = {}, set(), []
    here = [i for i, one in enumerate(features) if one["chip"] == chip]

    def begin(row):
        begun.append(row)
        return len(features) + len(begun) - 1

    pairs = [
        (apart(row, features[i]), r, i)
        for r, row in enumerate(rows)
        for i in here
        if is_there(row, features[i], rules)
    ]
    for reason in ("place", "other depth"):
        for _, r, i in sorted(pairs):
            as_deep = factor(rows[r][3], features[i]["depth"]) < rules.alike
            if r not in given and i not in taken and as_deep == (reason == "place"):
                given[r] = (i, reason)
                taken.add(i)
    follow(features, {i: rows[r] for r, (i, reason) in given.items() if reason == "place"}, rules)

    free = [i for i in here if i not in taken]
    left = [r for r in range(len(rows)) if r not in given]
    inside = [
        (-rows[r][2], apart(rows[r], features[i]), r, i)
        for r in left
        for i in free
        if is_within(rows[r], features[i], rules)
    ]
    for _, _, r, _ in sorted(inside):
        if r not in given:
            given[r] = (begin(rows[r]), "part")
    for r in left:
        row = rows[r]
        held = [
            i
            for i in free
            if i not in taken
            and apart(row, features[i]) <= row[2]
            and features[i]["radius"] < row[2]
        ]
        reach = max((apart(row, features[i]) + features[i]["radius"] for i in held), default=0)
        if r not in given and len(held) > 1 and row[2] <= rules.blend * reach:
            given[r] = (min(held), "blend")
            taken |= set(held)
    for r in left:
        if r not in given:
            given[r] = (begin(rows[r]), "first")
    names = ("x", "y", "radius", "depth")
    features += [{"chip": chip, "weight": 1, **dict(zip(names, row, strict=True))} for row in begun]
    return [given[r] for r in range(len(rows))]


def follow(features, seen, rules):
    for i, row in seen.items():
        one = features[i]
        one["weight"] = min(one["weight"] + 1, rules.memory)
        for name, value in zip(("x", "y", "radius", "depth"), row, strict=True):
            one[name] += (value - one[name]) / one["weight"]
