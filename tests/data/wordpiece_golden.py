"""Asks the reference tokenizer (PyPI `tokenizers`, pinned in assets/static-en-256/requirements.txt).

    wordpiece_golden.py FOLDER...    writes wordpiece_golden.jsonl: texts with their ids; excerpts come from FOLDER...,
                                     ours from files under MIT or Apache-2.0: the Rust book and reference, the Prometheus
                                     and Asciidoctor sites, PubMedQA, the samples of docling and markitdown
    wordpiece_golden.py --classes    writes src/embed/characters.rs: how the reference classifies code points

The reference is BertNormalizer, BertPreTokenizer and WordPiece over our vocab.txt, without special tokens, added tokens
and truncation. Its character classes are those of Unicode 8, so they cannot be taken from a newer library.
A line of the golden file is [text, [id, ...]].
"""

import json
import random
import sys
import unicodedata
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VOCABULARY = (ROOT / "assets/static-en-256/vocab.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
SCALARS = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
EXCERPTS = 1200
EXCERPT_CHARACTERS = 160

# What tokenizers get wrong. Joined to each other and to words below.
HOSTILE = [
    "", " ", "\0", "a\0b", "\ufffd", "a\ufffdb", "\ufeffa", "\u200b", "a\u200bb", "a\u200db", "a\u2060b", "a\u00adb", "\x7f", "a\x7fb",
    "a\x0bb", "a\x0cb", "a\x1cb", "a\x85b", "a\u00a0b", "a\u2028b", "a\u2029b", "a\u3000b", "a\u1680b", "a\u180eb", "a\u202fb", "\r\n",
    "\ue000", "a\ue000b", "\U000f0000", "\U00100000b", "\u0378", "\ufdd0", "\uffff", "\U0010ffff", "\u0600x", "\u06dd", "\U000e0041",
    "İ", "I", "ı", "İstanbul", "DİYARBAKIR", "ǅ", "ß", "ẞ", "STRASSE", "ſ", "ﬁ", "ﬃ", "Ǆ", "K", "Å", "Ω", "ΟΔΥΣΣΕΎΣ", "ΣΑΣ", "ᾳ", "ῼ", "Ὰ", "`",
    "é", "e\u0301", "\u0301", "\u0301e", "e\u0301\u0323\u0327", "a\u0334\u0335b", "=\u0338", "≠", "≯", "!\u0301", "a!\u0301b", "Ạ̊", "ệ", "ữ", "ﷺ",
    "한국어", "한", "ᄒ", "ㅎ", "한글날", "ひらがな", "カタカナ", "が", "か\u3099", "㍿", "漢字", "日本語テキスト", "㐀", "𠀀", "𪜀", "𫝀", "𫠠", "𫤠", "豈", "丽", "〇", "々", "ー",
    "中文english中文", "ไทย", "สวัสดีครับ", "ກ", "မြန်မာ", "ខ្មែរ", "हिन्दी", "क़", "क\u093c", "বাংলা", "தமிழ்", "తెలుగు", "മലയാളം", "සිංහල", "ગુજરાતી", "ਪੰਜਾਬੀ",
    "العربية", "مُحَمَّد", "آ", "ا\u0653", "עברית", "שָׁלוֹם", "שׁ", "فارسی", "\u202eabc\u202c", "\u2067אב\u2069", "ქართული", "Ა", "հայերեն", "և", "ελληνικά", "Ёлка", "й",
    "Ґанок", "ћирилица", "Ꙋ", "Ⴀ", "Ꭰ", "ꭰ", "𐐀", "𝐀𝐁", "ℌ", "①", "½", "²", "₂", "™", "©", "№", "€", "£", "¥", "₿", "°", "µ", "μ", "ª", "º", "…", "—", "–", "‘", "’", "“",
    "”", "«", "»", "¿", "¡", "·", "•", "§", "¶", "†", "‡", "′", "※", "、", "。", "「", "」", "〜", "！", "？", "＃", "ａｂｃ", "＄", "؟", "،", "।", "॥", "๏", "༄", "᠀", "⁂", "⸮", "⹃", "꙳",
    "😀", "👩‍👩‍👧", "🏳️‍🌈", "👍🏽", "1️⃣", "🇩🇪", "❤️", "☃", "♥", "→", "⇒", "∀", "∑", "√", "∞", "≈", "×", "÷", "±", "│", "█", "░", "╔", "⠿",
    "!!!", "...", "?!?!", "$$$", "```", "~~~", "---", "===", "***", "<>", "<b>x</b>", "a_b_c", "snake_case", "kebab-case", "CamelCase", "x+y=z", "a|b", "^^", "100%", "#1",
    "C++", "C#", ".NET", "foo()", "&amp;", "don't", "l'été", "e.g.", "1,000.50", "-1e-9", "0xDEADBEEF", "v1.2.3-rc.1+build", "user@example.org", "https://example.org/a?b=c#d",
    "[CLS]", "[SEP]", "[UNK]", "[PAD]", "[MASK]", "[unused1]", "##ing", "##", "[CLS", "cls]",
    "telecommunications", "Telecommunications", "counterintelligence", "internationalization", "a" * 99, "a" * 100, "a" * 101, "a" * 16, "a" * 17, "é" * 100, "é" * 101, "한" * 33,
    "한" * 34, "각" * 34, "x" * 5000, "antidisestablishmentarianism", "pneumonoultramicroscopicsilicovolcanoconiosis", "Donaudampfschifffahrtsgesellschaft",
    "zzqqxxkkjj", "qwrtpsdfg", "a\u0301" * 100, "\u0301" * 200 + "a", "1234567890123456", "12345678901234567", "ab" * 8 + "é", "ab" * 7 + "é", "Ñandú", "naïve", "coöperate", "Ångström", "Zürich",
    "𞤀", "𑄀", "𛲠", "𝅗𝅥", "𝅘𝅥𝅮", "\u302e", "가\u302e\u0301", "ա\u0483", "\u1734", "ᜲ\u1734", "\u111c9", "ₐ", "Ⅷ", "ⅷ", "Ⓐ", "ⓐ", "ꟲ", "Ɤ", "Ꞌ", "ꞌ",
]

SENTENCES = [
    "Der Fluß führt im Frühjahr viel Wasser, aber die Brücke hält.", "Où est la clé de l'armoire ? Elle était là, près de la fenêtre.",
    "El niño comió una piña mañana por la mañana, ¿verdad?", "Os pães não são tão bons quanto parecem à tarde.", "Żółta łódź płynie wzdłuż brzegu, gdzie rosną świerki.",
    "Příliš žluťoučký kůň skáče přes plot.", "Az árvíztűrő tükörfúrógép elromlott.", "Ağaçların altında ılık bir rüzgâr esiyor; İzmir'de gün ışığı çok.",
    "Mežā šodien bija ļoti kluss, tikai čiekuri krita.", "Đường này dài quá, chúng ta nghỉ một lát nhé.", "Þórður átti ekki von á þessu veðri í ágúst.",
    "Мама купила ещё хлеба, молока и яблок на рынке.", "Її подруга їде поїздом до Києва щосереди.", "Ветрената мелница работи само през есента.", "Љубав је његов најбољи учитељ.",
    "Η θάλασσα ήταν ήσυχη και ο ουρανός γαλανός.", "הילדה קראה ספר ארוך ליד החלון הפתוח.", "ذهب الولد إلى المدرسة في الصباح الباكر.", "کتاب روی میز کنار پنجره است؛ آن را بیاور.", "وہ ہر روز صبح سویرے باغ میں جاتا ہے۔",
    "बच्चे नदी के किनारे खेल रहे थे।", "আজ সকালে খুব বৃষ্টি হচ্ছে।", "மழை பெய்ததால் நாங்கள் வீட்டில் இருந்தோம்.", "వాన పడుతున్నప్పుడు పిల్లలు ఆడుకున్నారు.", "ಮಕ್ಕಳು ಶಾಲೆಗೆ ಹೋಗುತ್ತಿದ್ದಾರೆ.", "കുട്ടികൾ പുഴയുടെ തീരത്ത് കളിക്കുന്നു.",
    "เมื่อวานฝนตกหนักมากจนถนนเปียก", "ມື້ນີ້ອາກາດເຢັນສະບາຍ", "ယနေ့ ရာသီဥတု သာယာသည်။", "ថ្ងៃនេះមេឃស្រឡះល្អ។", "བོད་ཀྱི་རི་མོ་མཛེས་པོ་རེད།", "ბავშვები მდინარესთან თამაშობენ.", "Երեխաները խաղում են գետի ափին։", "ልጆች በወንዙ ዳር ይጫወታሉ።",
    "今天下午我们去河边散步，然后喝茶。", "昨天買了三本書，價錢不貴。", "きのうは雨が降ったので、家で本を読みました。", "어제는 비가 와서 집에서 책을 읽었습니다.", "Хүүхдүүд голын эрэг дээр тоглож байна.", "ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ", "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ", "Cánh đồng lúa chín vàng óng ả dưới nắng chiều.",
]


def reference():
    ids = {token: id for id, token in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def excerpts(folders, chance):
    """Yields excerpts cut anywhere, also inside a word, of all readable files, those with rare scripts first."""
    texts = []
    for path in sorted(path for folder in folders for path in Path(folder).rglob("*") if path.is_file()):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        texts.append(text)
    for _ in range(EXCERPTS):
        text = chance.choice(texts)
        start = chance.randrange(max(1, len(text)))
        yield text[start : start + chance.randrange(1, EXCERPT_CHARACTERS)]


def hostile(chance):
    yield from HOSTILE
    for sentence in SENTENCES:
        yield from (sentence, sentence.upper(), unicodedata.normalize("NFD", sentence), sentence.replace(" ", ""))
        for _ in range(5):
            start = chance.randrange(len(sentence))
            yield sentence[start : start + chance.randrange(1, 40)] + chance.choice(SENTENCES)[-start:]
    words = [token for token in VOCABULARY if token.isalpha()]
    for _ in range(900):
        parts = [chance.choice(HOSTILE[:-1] if chance.random() < 0.6 else words) for _ in range(chance.randrange(2, 7))]
        yield chance.choice(["", "", " ", "\n"]).join(part for part in parts if len(part) <= 120)
    # Runs of neighbouring code points of every plane and of any code points.
    for start in list(range(0, 0x3000, 0x80)) + list(range(0xA000, 0x11000, 0x400)) + [0x16A00, 0x1D100, 0x1D165, 0x1D400, 0x1E800, 0x1F300, 0x2B700, 0x2B910, 0x2CE80, 0x2F7F0, 0xE0000]:
        yield "".join(chr(code) + chance.choice(["", "", "a", " "]) for code in range(start, start + 0x80) if not 0xD800 <= code < 0xE000)
    for _ in range(300):
        yield "".join(chr(chance.choice(SCALARS[: chance.choice([0x250, 0x3000, 0x11000, len(SCALARS)])])) for _ in range(chance.randrange(1, 25)))


def write_golden(folders):
    chance = random.Random(20261123)
    tokenizer = reference()
    texts = list(dict.fromkeys([*hostile(chance), *excerpts(folders, chance)]))
    with (HERE / "wordpiece_golden.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for text in texts:
            line = [text, tokenizer.encode(text).ids]
            # Escaped where JSON demands it and where an editor or a diff might change the text.
            plain = "".join(c if c.isprintable() and ord(c) < 0x300 else json.dumps(c)[1:-1] for c in json.dumps(text, ensure_ascii=False))
            file.write(f"[{plain},{json.dumps(line[1], separators=(',', ':'))}]\n")
    print(f"{len(texts)} texts")


def write_classes():
    clean = normalizers.BertNormalizer(clean_text=True, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    accents = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False)
    chinese = normalizers.BertNormalizer(clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False)
    split = pre_tokenizers.BertPreTokenizer()

    def name(code):
        character = chr(code)
        cleaned = clean.normalize_str(f"a{character}b")
        if cleaned == "ab":
            return "Removed"
        if cleaned == "a b":
            return "White"
        if accents.normalize_str(character) == "":
            return "Mark"
        if chinese.normalize_str(character) != character:
            return "Alone"
        return "Alone" if len(split.pre_tokenize_str(f"a{character}b")) == 3 else None

    ranges = []
    for code in SCALARS:
        kind = name(code)
        if ranges and ranges[-1][1] == code - 1 and ranges[-1][2] == kind:
            ranges[-1][1] = code
        elif kind:
            ranges.append([code, code, kind])
    lines = [f"    (0x{first:X}, 0x{last:X}, {kind})," for first, last, kind in ranges]
    body = HEAD + "\n".join(lines) + "\n];\n"
    (ROOT / "src/embed/characters.rs").write_text(body, encoding="utf-8")
    print(f"{len(ranges)} ranges")


HEAD = '''//! Character classes of BERT's tokenizer; written by `tests/data/wordpiece_golden.py --classes`.
//!
//! They are those of the reference, which follows Unicode 8; a newer Unicode would give other ids.

use Class::{Alone, Mark, Removed, White};

/// What the tokenizer does with a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Class {
    /// Part of a word.
    Word,
    /// Ends a word.
    White,
    /// A word of its own: punctuation and CJK ideographs.
    Alone,
    /// Dropped before decomposition: control, format and private-use characters, U+0000 and U+FFFD.
    Removed,
    /// Dropped after decomposition: non-spacing marks.
    Mark,
}

/// Returns the class of a character.
pub(super) fn class(character: char) -> Class {
    let code = character as u32;
    if let Some(class) = PLANE_0.get(code as usize) {
        return *class;
    }
    let after = RANGES.partition_point(|&(first, ..)| first <= code);
    match after.checked_sub(1).map(|at| RANGES[at]) {
        Some((_, last, class)) if code <= last => class,
        _ => Class::Word,
    }
}

/// Classes of the first 65,536 code points, laid out by the compiler.
static PLANE_0: [Class; 0x1_0000] = {
    let mut table = [Class::Word; 0x1_0000];
    let mut at = 0;
    while at < RANGES.len() {
        let (first, last, class) = RANGES[at];
        let mut code = first as usize;
        while code <= last as usize && code < table.len() {
            table[code] = class;
            code += 1;
        }
        at += 1;
    }
    table
};

/// First and last code point and class, ascending; what lies between is `Class::Word`.
#[rustfmt::skip]
const RANGES: &[(u32, u32, Class)] = &[
'''


if __name__ == "__main__":
    if sys.argv[1:] == ["--classes"]:
        write_classes()
    else:
        write_golden(sys.argv[1:])
