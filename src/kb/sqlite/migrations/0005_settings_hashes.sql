-- Version 5 of the file format: the two hashes of a run's settings in a column each; before, one text with a hyphen between.

ALTER TABLE run ADD COLUMN stages_hash TEXT NOT NULL DEFAULT '';

UPDATE run SET stages_hash = substr(config_hash, instr(config_hash, '-') + 1),
               config_hash = substr(config_hash, 1, instr(config_hash, '-') - 1)
WHERE instr(config_hash, '-') > 0;
