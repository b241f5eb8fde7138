//! `kbingest mcp`: the Model Context Protocol through the real binary, by a client of our own.

mod client;
mod files;
mod requests;
mod tools;

use crate::support::Place;

/// A knowledge base of three documents, one of them with several passages.
fn harbour() -> Place {
    let place = Place::new();
    place.reconfigure(
        "path = 'kb.kb'",
        "path = 'kb.kb'\nname = 'harbour'\ntitle = 'Harbour office'\ndescription = 'Ask it about ships.'",
    );
    place.write("pilots.md", "# Pilots\n\nShips wait for the pilot at the outer buoy.\n");
    place.write(
        "log/2024-05-06-storm.md",
        "---\nauthor: Ann Lee\n---\n# Storm\n\nA storm closed the harbour for two days.\n",
    );
    place.write("rules.md", crate::support::markdown(7, 12, "mooring"));
    crate::support::ingest(&place.config(), None);
    place
}
