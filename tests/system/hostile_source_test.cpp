// A SQLite file that somebody has made to do harm: with names that write to terminals and logs,
// with a damaged or forged schema.
#include <random>

#include "tests/support/fault.hpp"
#include "tests/support/seed.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

/// Lines are the only control characters that a text of ours has.
bool obeys_nobody(const std::string& text) {
  return text.find_first_of("\x1b\r\x07\x08\x7f") == std::string::npos;
}

/// Damages the file at `path` as dice say: bytes of the header or schema, of any page, or its end.
void damage(const std::string& path, const std::string& sound, std::mt19937_64& random) {
  std::string bytes = sound;
  const std::size_t reach = random() % 2 == 0 ? 4'096 : bytes.size();
  for (std::uint64_t i = 1 + random() % 12; i > 0; --i)
    bytes[random() % reach] = static_cast<char>(random());
  if (random() % 6 == 0) bytes.resize(random() % bytes.size());
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

}  // namespace

TEST_CASE("names that obey no terminal are shown as what they are, and start no lines of a log",
          "[system]") {
  const TempDir folder;
  const std::string file = folder.file("names.db");
  // Refused, so that the names are in errors: a key with NULL.
  sqlite(file,
         "CREATE TABLE \"a\x1b[2J\x1b]0;owned\x07\nerror[LS-X999]: forged\r\"(\"k\x1b[1m\" TEXT "
         "PRIMARY KEY, v TEXT); INSERT INTO \"a\x1b[2J\x1b]0;owned\x07\nerror[LS-X999]: "
         "forged\r\" VALUES (NULL, 'v')");
  for (const auto& command : {std::vector<std::string>{"assess", file},
                              {"assess", file, "--columns"},
                              {"assess", file, "--json"},
                              {"run", file, "host=/nowhere"},
                              {"schema", "generate", file},
                              {"status", file}}) {
    const Outcome outcome = lockstep(command);
    INFO(command[0] << ": " << everything(outcome));
    CHECK(obeys_nobody(everything(outcome)));
    CHECK(everything(outcome).find("\nerror[LS-X999]") == std::string::npos);
  }
  REQUIRE(lockstep({"assess", file}).output.find("\\x1b[2J") != std::string::npos);
  saw_fault("H19", "GO: control characters of names and texts are shown as \\x1b, in one line");
}

TEST_CASE("a file with a damaged or forged schema is refused by name, whatever is damaged",
          "[system]") {
  const TempDir folder;
  const std::string sound = folder.file("sound.db"), file = folder.file("app.db");
  sqlite(sound,
         "PRAGMA page_size = 1024; CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT NOT NULL UNIQUE, "
         "w REAL DEFAULT 1.5 CHECK (w > 0), g INT AS (id * 2) STORED);"
         "CREATE TABLE o(a INT REFERENCES t, b BLOB, PRIMARY KEY (a, b)) WITHOUT ROWID;"
         "CREATE INDEX i ON t(w) WHERE w > 1; CREATE VIEW s AS SELECT * FROM t JOIN o ON a = id;"
         "CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO o VALUES (NEW.id, NEW.v); END;"
         "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 300)"
         "INSERT INTO t(id, v) SELECT i, 'value ' || i FROM c");
  const std::string bytes = contents(sound);
  std::mt19937_64 random(test_seed());
  int refused = 0;
  for (int round = 0; round < 60; ++round) {
    damage(file, bytes, random);
    const std::string damaged = contents(file);
    const Outcome outcome = lockstep({"assess", file});
    INFO("seed " << test_seed() << " round " << round << ": " << everything(outcome));
    REQUIRE(outcome.status.code);  // no signal ended it
    REQUIRE(*outcome.status.code != 1);
    if (*outcome.status.code != 0) {
      ++refused;
      REQUIRE(everything(outcome).find("LS-") != std::string::npos);
    }
    REQUIRE(contents(file) == damaged);
  }
  CHECK(refused > 20);
  // trusted_schema stays on: off, an index or generated column on json_extract() could not be read
  // at all. There is no function of ours to be called, and views and triggers are not run.
  saw_fault("H12",
            "REFUSE: by name; 60 random damages a run end without a crash, nothing written. Not as "
            "written: trusted_schema is on (json_extract() in a schema has to be read), and of the "
            "limits only that of a value's length is set");
}

}  // namespace lockstep::test
