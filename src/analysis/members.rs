//! Members of compounds: `Datenbank` and `server` of `Datenbankserver`.
//!
//! German, Dutch and the Scandinavian languages write compounds as one word. A word is divided if
//! it ends or begins with a frequent member; the other part may be any word. This takes a list of
//! some hundred words for each language, and no statistics: the tokens of a text depend on nothing
//! else.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::OnceLock;

use foldhash::fast::RandomState;

use super::language::Language;

/// Letters of the shortest part.
const PART_MIN: usize = 4;
/// Letters of the shortest member that a compound is recognised by at its beginning, and of the
/// part that follows: many short words begin longer ones by chance.
const FIRST_MIN: usize = 6;
/// Letters of the shortest compound.
const COMPOUND_MIN: usize = 2 * PART_MIN;

const GERMAN: &str = "
    abfrage ablauf abschnitt abteilung adresse aktion analyse änderung anfrage angabe angebot anlage anleitung
    anmeldung annahme anpassung anschluss ansicht antrag anweisung anwendung anzahl anzeige arbeit archiv artikel
    aufgabe auftrag aufzeichnung ausdruck ausfall ausgabe auskunft ausnahme auswahl ausweis autor bahnhof bank
    basis baum bedarf bedingung befehl begriff behandlung benutzer berater bereich bericht beruf beschreibung
    besitzer bestand bestellung betrag betreuung betrieb beziehung bibliothek bild bildung block boden brief brücke
    buch computer datei daten datenbank datum dauer dienst dienstleistung diskussion dokument dokumentation druck
    drucker ebene eigenschaft eingabe einheit einrichtung einstellung element empfänger energie entscheidung
    entwickler entwicklung ereignis ergebnis erfahrung erklärung erstellung erweiterung fabrik fach faktor fahrer
    fahrt fahrzeug fall farbe fehler feld fenster ferien feuer figur film firma fläche flug flughafen folge form
    format formular forscher forschung fortschritt frage freiheit frist funktion gebäude gebiet gebühr gefahr gehalt
    gemeinschaft genehmigung gerät gericht geschäft geschichte geschwindigkeit gesellschaft gesetz gespräch gewicht
    grenze größe grund gruppe hafen halle handbuch handel handlung haus heft heim heizung hersteller hilfe hinweis
    hochschule hotel industrie information inhalt jahr kabel kammer kampf kanal karte kasse kategorie kennung kette
    kiste klasse klausel klinik komponente konferenz konflikt konfiguration kontakt konto kontrolle kopie kosten
    kraft kraftwerk krankheit kreis kreislauf kriterium küche kunde kunst kurs lage lager land laufwerk leben lehrer
    leistung leiter leitung lesung licht lieferung linie liste lizenz lösung maschine material mauer meister meldung
    menge menü merkmal messung methode miete minister ministerium mitarbeiter mitglied mittel modell modul modus
    motor muster nachricht name netz netzwerk nummer oberfläche objekt operation option ordner ordnung organisation
    paket papier park partei partner passwort pause person pflege pflicht phase plan planung platte platz politik
    position preis problem produkt produktion profil programm projekt protokoll prozess prüfung pumpe punkt qualität
    quelle quote rahmen rate raum rechner rechnung recht rechte referenz regel regelung region register registrierung
    reihe reise rolle richtlinie richtung risiko rückgabe sache saison sammlung satz schaden schalter schicht schiff
    schlüssel schnittstelle schrank schrift schritt schule schutz schwelle seite sektor sendung server sicherheit
    sicherung signal sitz sitzung skript software sorte spannung speicher sperre spiel spieler sprache spur stadt
    stand standard station stelle stellung steuer steuerung stoff strafe straße strecke strom struktur stück student
    studie stufe stunde suche symbol system tabelle tafel tage tarif taste tätigkeit technik teil teilnehmer telefon
    test text thema theorie titel transport treiber treppe typ übersicht überwachung umgebung unternehmen
    unterricht unterstützung unterschied update ursache variable verantwortung verband verbindung verbrauch verein
    verfahren verfügbarkeit verhalten verkehr verlag verletzung versammlung verschlüsselung version versicherung
    versorgung versuch verteilung vertrag vertreter verwaltung verzeichnis vorgang vorlage vorschrift wagen wahl wand
    ware wartung wasser wechsel weise welt werk werkzeug wert wesen wettbewerb wirkung wirtschaft wissenschaft
    woche wohnung wort zahl zahlung zeichen zeile zeit zeitraum zeitung zentrum zertifikat ziel zimmer zone zugang
    zugriff zustand zustellung zweck";
const DUTCH: &str = "
    aanvraag actie adres afdeling analyse apparaat arbeid archief bank basis bedrijf beheer beheerder beleid beperking
    bericht beschikbaarheid beschrijving bestand besturing beveiliging bibliotheek boek bouw broncode code commissie
    computer controle cursus database datum dienst document druk eenheid element energie export factuur fase filter
    formulier fout functie gebied gebruik gebruiker gegevens geheugen geschiedenis gesprek gezondheid grens groep
    handleiding huis import informatie inhoud instelling interface kaart kabel kanaal kantoor kant kennis keuze klant
    klasse knop kosten kwaliteit lader land leider licentie lijn lijst maatregel machine markt materiaal medewerker
    melding methode middel model naam netwerk nummer omgeving onderhoud onderwijs onderzoek ontwikkeling opdracht
    opleiding oplossing opslag optie organisatie overzicht pagina partij persoon plaats plan politiek poort prijs
    probleem proces product programma project protocol punt rapport recht regel register rekening resultaat richtlijn
    risico ruimte scherm school server sleutel software spel staat stad standaard station stelling stelsel structuur
    studie systeem taal taak tabel tafel techniek tekst tijd titel toegang toestand toestel veiligheid veld venster
    verbinding vereniging vergunning verkeer versie verslag vervoer verwerking verzekering voorwaarde vorm vraag waarde
    water wachtwoord weergave werk werking wereld wet wijziging winkel woning woord zaak zorg";
const SWEDISH: &str = "
    adress analys anläggning användare användning arbete arkiv artikel avdelning avgift avtal bank behov behörighet
    beskrivning bibliotek bild bok bolag byggnad central databas dator del dokument drift enhet energi fabrik fel fil
    flik fond fordon form formulär forskning fråga funktion företag förening förfrågan försäkring gräns grupp gård
    handel hantering hastighet historia hjälp hus hälsa industri information innehåll inställning installation kabel
    karta katalog klass kod kommun konto kontor kontroll kopia kort kostnad kraft krav kund kunskap kurs kvalitet lag
    ledare ledning lista lösenord lösning mapp marknad maskin material meddelande medel medlem metod miljö modell modul
    motor mätning namn nivå nummer nyckel nätverk område ordning organisation paket person plan plats policy politik
    priser problem process produkt program projekt protokoll punkt rapport regel register resa resultat risk rum rätt
    samhälle server sida signal skada skola skydd snitt spel språk stad standard station struktur studie styrelse
    styrning ställning system säkerhet säkerhetskopia tabell teknik text tidning tjänst tillgång titel trafik träd
    uppdatering uppgift utbildning utveckling vatten verk verksamhet verktyg version väg värde värld ändring ärende";
const DANISH: &str = "
    adgang adgangskode adresse afdeling aftale analyse anlæg arbejde arkiv artikel bank behandling behov beskrivelse
    bestyrelse bibliotek billede bog bruger brug bygning central computer database data dokument drift enhed energi
    fabrik fejl fil forbindelse form formular forretning forsikring forskning forvaltning funktion gruppe grænse gebyr
    handel hastighed hjælp historie hus håndtering indhold indstilling industri information installation kabel
    kapacitet klasse kode kommune konto kontor kontrol kopi kort kraft krav kunde kursus kvalitet leder ledelse linje
    liste løsning mappe marked maskine materiale medarbejder meddelelse medlem metode miljø model modul motor måling
    nummer navn netværk niveau nøgle område ordning organisation oversigt pakke person plads plan politik pris problem
    proces produkt program projekt protokol punkt rapport regel register rejse resultat risiko rum selskab server side
    sikkerhed sikkerhedskopi signal skade skole spil sprog stand standard station struktur studie styring styrelse
    system tabel teknik tekst tidspunkt tjeneste titel trafik uddannelse udvikling undersøgelse vand virksomhed vedligeholdelse
    værdi værk værktøj version verden ændring";
const NORWEGIAN: &str = "
    adresse analyse anlegg arbeid arkiv artikkel avdeling avtale bank behandling behov beskrivelse bibliotek bilde bruk
    bruker bygning database data datamaskin dokument drift enhet energi feil fil forbindelse form funksjon gruppe grense
    handel hastighet hjelp historie hus håndtering innhold innstilling industri informasjon installasjon kabel klasse
    kode kommune konto kontor kontroll kopi kort kostnad kraft krav kunde kurs kvalitet leder ledelse linje liste løsning
    marked maskin materiale melding medlem metode miljø modell modul motor måling nummer navn nettverk nivå nøkkel område
    ordning organisasjon oversikt pakke passord person plass plan politikk pris problem prosess produkt program prosjekt
    protokoll punkt rapport regel register reise resultat risiko selskap server side sikkerhet sikkerhetskopi skade skole
    språk standard stasjon struktur studie styring system tabell teknikk tekst tidspunkt tilgang tjeneste tittel trafikk
    utdanning utvikling undersøkelse vann vedlikehold verdi verk verktøy versjon virksomhet endring";

/// Returns the members that a compound of `language` begins and ends with, and the letters that may
/// be between them and after them.
fn rules(language: Language) -> Option<&'static Rules> {
    static RULES: OnceLock<Vec<(Language, Rules)>> = OnceLock::new();
    let all = RULES.get_or_init(|| {
        let rules = |members: &'static str, links, endings| Rules {
            members: members.split_whitespace().collect(),
            links,
            endings,
        };
        let german = ["", "e", "n", "s", "en", "es", "er", "ern", "nen", "se", "sen"].as_slice();
        let dutch = ["", "s", "n", "en", "es", "je", "jes"].as_slice();
        let nordic = [
            "", "s", "n", "r", "t", "en", "et", "er", "ar", "or", "na", "ne", "erne", "arna",
            "erna", "ene",
        ]
        .as_slice();
        vec![
            (Language::German, rules(GERMAN, ["s", "n", "en", "es", "er", "e"].as_slice(), german)),
            (Language::Dutch, rules(DUTCH, ["s", "en", "n"].as_slice(), dutch)),
            (Language::Swedish, rules(SWEDISH, ["s"].as_slice(), nordic)),
            (Language::Danish, rules(DANISH, ["s", "e"].as_slice(), nordic)),
            (Language::Norwegian, rules(NORWEGIAN, ["s", "e"].as_slice(), nordic)),
        ]
    });
    all.iter().find(|(it, _)| *it == language).map(|(_, rules)| rules)
}

struct Rules {
    members: HashSet<&'static str, RandomState>,
    /// Letters that may link two members.
    links: &'static [&'static str],
    /// Letters that may follow the last member.
    endings: &'static [&'static str],
}

/// Reports whether `word` is long enough to be a compound of `language`.
pub fn may_be_compound(word: &str, language: Language) -> bool {
    use Language::{Danish, Dutch, German, Norwegian, Swedish};
    word.len() >= COMPOUND_MIN
        && matches!(language, German | Dutch | Swedish | Danish | Norwegian)
        && !word.bytes().any(|byte| byte.is_ascii_digit())
}

/// Returns the members of `word`, in lower case, as far as they are recognised: its parts without
/// the letters that link them.
pub fn of(word: &str, language: Language) -> Vec<Range<usize>> {
    let Some(rules) = rules(language).filter(|_| may_be_compound(word, language)) else {
        return Vec::new();
    };
    if rules.is_member(word) {
        return Vec::new();
    }
    let bounds = || word.char_indices().map(|(at, _)| at).filter(|at| *at >= PART_MIN);
    let last = bounds().find(|at| word.len() - at >= PART_MIN && rules.is_member(&word[*at..]));
    let first = || {
        let is_first = |end: &usize| {
            *end >= FIRST_MIN
                && word.len() - end >= FIRST_MIN
                && rules.members.contains(&word[..*end])
        };
        let end = bounds().rfind(is_first)?;
        let rest = &word[end..];
        let link = rules.links.iter().filter(|link| rest.len() - link.len() >= FIRST_MIN);
        // Only `s` is no beginning of a word.
        let link = link.filter(|link| **link == "s" && rest.starts_with(**link)).map(|it| it.len());
        Some(end + link.max().unwrap_or(0))
    };
    let Some(start) = last.or_else(first) else { return Vec::new() };
    vec![0..rules.unlinked(&word[..start]), start..word.len()]
}

impl Rules {
    /// Reports whether `part` is a member, perhaps with an ending.
    fn is_member(&self, part: &str) -> bool {
        let stems = self.endings.iter().filter_map(|ending| part.strip_suffix(ending));
        stems.into_iter().any(|stem| self.members.contains(stem))
    }

    /// Returns the bytes of `part` without the letters that link it to the next one.
    fn unlinked(&self, part: &str) -> usize {
        if self.members.contains(part) {
            return part.len();
        }
        let known = self.links.iter().filter_map(|link| part.strip_suffix(link));
        let known = known.filter(|stem| self.members.contains(stem)).map(str::len).max();
        let endings_with_s =
            ["heits", "keits", "ungs", "schafts", "ions", "täts", "ings", "tings", "hets"];
        known.unwrap_or_else(|| {
            let is_linked = endings_with_s.iter().any(|ending| part.ends_with(ending));
            part.len() - usize::from(is_linked)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compounds_have_members() {
        let check = |language, word: &str, expected: &[&str]| {
            let parts: Vec<_> = of(word, language).into_iter().map(|part| &word[part]).collect();
            assert_eq!(parts, expected, "{word}");
        };
        let german = |word, expected: &[&str]| check(Language::German, word, expected);
        german("datenbankserver", &["datenbank", "server"]);
        german("sicherungskopien", &["sicherung", "kopien"]);
        german("sicherheitsrichtlinie", &["sicherheit", "richtlinie"]);
        german("benutzerverwaltung", &["benutzer", "verwaltung"]);
        german("benutzerfreundlichkeit", &["benutzer", "freundlichkeit"]);
        german("zugriffsrechte", &["zugriff", "rechte"]);
        german("haushaltsplan", &["haushalts", "plan"]);
        german("verwaltung", &[]);
        german("schnell", &[]);
        german("server", &[]);
        check(Language::Dutch, "databaseserver", &["database", "server"]);
        check(Language::Dutch, "gebruikersbeheer", &["gebruiker", "beheer"]);
        check(Language::Swedish, "användarhantering", &["användar", "hantering"]);
        check(Language::Swedish, "databasservern", &["databas", "servern"]);
        check(Language::Danish, "databaseserver", &["database", "server"]);
        check(Language::Danish, "brugerhåndtering", &["bruger", "håndtering"]);
        check(Language::English, "databaseserver", &[]);
    }
}
