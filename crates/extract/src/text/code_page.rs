//! Code pages by their numbers and labels: those of the Encoding Standard, and those of DOS, which
//! it lacks.

use encoding_rs::{Encoding, WINDOWS_1252};

/// The upper half of each code page of DOS.
const DOS: [(u16, &str); 15] = [
    (
        437,
        "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
    ),
    (
        737,
        "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩαβγδεζηθικλμνξοπρσςτυφχψ░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀ωάέήϊίόύϋώΆΈΉΊΌΎΏ±≥≤ΪΫ÷≈°∙·√ⁿ²■\u{a0}",
    ),
    (
        775,
        "ĆüéāäģåćłēŖŗīŹÄÅÉæÆōöĢ¢ŚśÖÜø£Ø×¤ĀĪóŻżź”¦©®¬½¼Ł«»░▒▓│┤ĄČĘĖ╣║╗╝ĮŠ┐└┴┬├─┼ŲŪ╚╔╩╦╠═╬Žąčęėįšųūž┘┌█▄▌▐▀ÓßŌŃõÕµńĶķĻļņĒŅ’\u{ad}±“¾¶§÷„°∙·¹³²■\u{a0}",
    ),
    (
        850,
        "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}",
    ),
    (
        852,
        "ÇüéâäůćçłëŐőîŹÄĆÉĹĺôöĽľŚśÖÜŤťŁ×čáíóúĄąŽžĘę¬źČş«»░▒▓│┤ÁÂĚŞ╣║╗╝Żż┐└┴┬├─┼Ăă╚╔╩╦╠═╬¤đĐĎËďŇÍÎě┘┌█▄ŢŮ▀ÓßÔŃńňŠšŔÚŕŰýÝţ´\u{ad}˝˛ˇ˘§÷¸°¨˙űŘř■\u{a0}",
    ),
    (
        855,
        "ђЂѓЃёЁєЄѕЅіІїЇјЈљЉњЊћЋќЌўЎџЏюЮъЪаАбБцЦдДеЕфФгГ«»░▒▓│┤хХиИ╣║╗╝йЙ┐└┴┬├─┼кК╚╔╩╦╠═╬¤лЛмМнНоОп┘┌█▄Пя▀ЯрРсСтТуУжЖвВьЬ№\u{ad}ыЫзЗшШэЭщЩчЧ§■\u{a0}",
    ),
    (
        857,
        "ÇüéâäàåçêëèïîıÄÅÉæÆôöòûùİÖÜø£ØŞşáíóúñÑĞğ¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ºªÊËÈ\u{fffd}ÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµ\u{fffd}×ÚÛÙìÿ¯´\u{ad}±\u{fffd}¾¶§÷¸°¨·¹³²■\u{a0}",
    ),
    (
        858,
        "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈ€ÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}",
    ),
    (
        860,
        "ÇüéâãàÁçêÊèÍÔìÃÂÉÀÈôõòÚùÌÕÜ¢£Ù₧ÓáíóúñÑªº¿Ò¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
    ),
    (
        861,
        "ÇüéâäàåçêëèÐðÞÄÅÉæÆôöþûÝýÖÜø£Ø₧ƒáíóúÁÍÓÚ¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
    ),
    (
        862,
        "אבגדהוזחטיךכלםמןנסעףפץצקרשת¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
    ),
    (
        863,
        "ÇüéâÂà¶çêëèïî‗À§ÉÈÊôËÏûù¤ÔÜ¢£ÙÛƒ¦´óú¨¸³¯Î⌐¬½¼¾«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
    ),
    (
        864,
        "°·∙√▒─│┼┤┬├┴┐┌└┘β∞φ±½¼≈«»ﻷﻸ\u{fffd}\u{fffd}ﻻﻼ\u{fffd}\u{a0}\u{ad}ﺂ£¤ﺄ\u{fffd}\u{fffd}ﺎﺏﺕﺙ،ﺝﺡﺥ٠١٢٣٤٥٦٧٨٩ﻑ؛ﺱﺵﺹ؟¢ﺀﺁﺃﺅﻊﺋﺍﺑﺓﺗﺛﺟﺣﺧﺩﺫﺭﺯﺳﺷﺻﺿﻁﻅﻋﻏ¦¬÷×ﻉـﻓﻗﻛﻟﻣﻧﻫﻭﻯﻳﺽﻌﻎﻍﻡﹽّﻥﻩﻬﻰﻲﻐﻕﻵﻶﻝﻙﻱ■\u{fffd}",
    ),
    (
        865,
        "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø₧ƒáíóúñÑªº¿⌐¬½¼¡«¤░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}",
    ),
    (
        869,
        "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}Ά\u{fffd}·¬¦‘’Έ―ΉΊΪΌ\u{fffd}\u{fffd}ΎΫ©Ώ²³ά£έήίϊΐόύΑΒΓΔΕΖΗ½ΘΙ«»░▒▓│┤ΚΛΜΝ╣║╗╝ΞΟ┐└┴┬├─┼ΠΡ╚╔╩╦╠═╬ΣΤΥΦΧΨΩαβγ┘┌█▄δε▀ζηθικλμνξοπρσςτ΄\u{ad}±υφχ§ψ΅°¨ωϋΰώ■\u{a0}",
    ),
];

/// Labels without the number of a code page, and those whose number means another one.
const LABELS: [(&str, u16); 12] = [
    ("macroman", 10000),
    ("macintosh", 10000),
    ("mac", 10000),
    ("xmacroman", 10000),
    ("macosroman", 10000),
    ("maccyrillic", 10007),
    ("xmaccyrillic", 10007),
    ("macukraine", 10007),
    ("xmacukrainian", 10007),
    ("cskoi8r", 20866),
    ("latin9", 28605),
    ("latin10", 28606),
];

/// How bytes become characters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Charset {
    Standard(&'static Encoding),
    /// The number of the code page, and the characters of the bytes from 128 on.
    Dos(u16, &'static str),
}

impl Default for Charset {
    fn default() -> Self {
        Self::Standard(WINDOWS_1252)
    }
}

impl Charset {
    /// Returns the code page of this number.
    pub(crate) fn of_page(number: u16) -> Option<Self> {
        if let Some((page, upper)) = DOS.iter().find(|(page, _)| *page == number) {
            return Some(Self::Dos(*page, upper));
        }
        let label = match number {
            866 => "ibm866".to_owned(),
            932 => "shift_jis".to_owned(),
            936 => "gbk".to_owned(),
            949 => "euc-kr".to_owned(),
            950 => "big5".to_owned(),
            10000 => "macintosh".to_owned(),
            10007 => "x-mac-cyrillic".to_owned(),
            20127 => "us-ascii".to_owned(),
            20866 => "koi8-r".to_owned(),
            20932 | 51932 => "euc-jp".to_owned(),
            21866 => "koi8-u".to_owned(),
            28591..=28606 => format!("iso-8859-{}", number - 28590),
            50220..=50222 => "iso-2022-jp".to_owned(),
            54936 => "gb18030".to_owned(),
            65001 => "utf-8".to_owned(),
            number => format!("windows-{number}"),
        };
        Encoding::for_label(label.as_bytes()).map(Self::Standard)
    }

    /// Returns the charset that a document states: a label of the Encoding Standard, or another
    /// name of a code page, like `IBM850`, `cp-437` or `x-mac-roman`.
    pub(crate) fn of_label(label: &[u8]) -> Option<Self> {
        if let Some(encoding) = Encoding::for_label(label) {
            return Some(Self::Standard(encoding));
        }
        let label = std::str::from_utf8(label).ok()?.trim().to_ascii_lowercase();
        let bare = label.replace(['-', '_', ' '], "");
        if let Some((_, page)) = LABELS.iter().find(|(known, _)| *known == bare) {
            return Self::of_page(*page);
        }
        const PREFIXES: [&str; 8] =
            ["ibm", "cp", "csibm", "cspc", "dos", "oem", "windows", "codepage"];
        let number = PREFIXES.iter().find_map(|prefix| bare.strip_prefix(prefix)).unwrap_or(&bare);
        Self::of_page(number.parse().ok()?)
    }

    /// Returns its name in small letters.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Standard(encoding) => encoding.name().to_lowercase(),
            Self::Dos(page, _) => format!("cp{page}"),
        }
    }

    /// Decodes bytes; those without a character become U+FFFD.
    pub(crate) fn decode(self, bytes: &[u8]) -> String {
        match self {
            Self::Standard(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
            Self::Dos(_, upper) => {
                let upper: Vec<char> = upper.chars().collect();
                let decoded = bytes.iter().map(|&byte| match byte.checked_sub(128) {
                    Some(index) => upper.get(usize::from(index)).copied().unwrap_or('\u{fffd}'),
                    None => char::from(byte),
                });
                decoded.collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_numbers_are_known() {
        let check = |label: &str, bytes: &[u8], expected: &str| {
            let charset = Charset::of_label(label.as_bytes()).unwrap();
            assert_eq!(charset.decode(bytes), expected, "{label}");
        };
        check("IBM850", b"\x82\xe0", "éÓ");
        check("cp437", b"\x82\xe0", "éα");
        check("CP-852", b"\xa5\x88", "ął");
        check("IBM855", b"\xdd\xe1", "Пр");
        check("cp866", b"\x8f\xe0", "Пр");
        check("MacRoman", b"\x8e", "é");
        check("x-mac-roman", b"\x8e", "é");
        check("MacCyrillic", b"\x8f\xf0", "Пр");
        check("windows-1251", b"\xcf\xf0", "Пр");
        check("cp1250", b"\xb9", "ą");
        check("latin1", b"\xe9", "é");
        check("CP932", b"\x93\xfa", "日");
        assert_eq!(Charset::of_label(b"no-such-charset"), None);
        assert!(DOS.iter().all(|(_, upper)| upper.chars().count() == 128));
    }
}
