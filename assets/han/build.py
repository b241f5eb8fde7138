#!/usr/bin/env python3
"""Makes simplified.txt: bzcat Unihan_Variants.txt.bz2 | build.py > simplified.txt

The input is of the Unicode Character Database 15.0 (Debian's package unicode-data has it). Two lines
of equally many characters: those of the first are folded to those of the second.
"""
import sys

simplified = {}
for line in sys.stdin:
    if not line.startswith("U+"):
        continue
    code, field, values = line.split("\t")
    if field != "kSimplifiedVariant":
        continue
    own = int(code[2:], 16)
    # Several variants: the character itself is one if it is also used in simplified text.
    others = [int(value[2:], 16) for value in values.split() if int(value[2:], 16) != own]
    if others and 0x3400 <= own <= 0x9FFF and 0x3400 <= others[0] <= 0x9FFF:
        simplified[own] = others[0]


def fold(code):
    seen = set()
    while code in simplified and code not in seen:
        seen.add(code)
        code = simplified[code]
    return code


pairs = [(code, fold(code)) for code in sorted(simplified) if fold(code) != code]
print("".join(chr(code) for code, _ in pairs))
print("".join(chr(folded) for _, folded in pairs))
