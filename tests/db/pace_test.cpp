// What the WAL's index says, and how our readers stay out of a writer's way.
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <string>
#include <thread>

#include "link/sqlite/pace.hpp"
#include "tests/support/application.hpp"
#include "tests/support/fault.hpp"
#include "tests/support/temp_dir.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::sqlite {
namespace {

using test::Application;
using test::TempDir;

struct Wal {
  TempDir folder;
  Application app{folder.file("a")};
  explicit Wal(const std::string& journal = "WAL") {
    app.exec("PRAGMA wal_autocheckpoint=0; PRAGMA journal_mode=" + journal +
             "; CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
  }
  void write(int commits = 1) {
    for (int n = 0; n < commits; ++n) app.exec("INSERT INTO t(v) VALUES (zeroblob(9000))");
  }
  [[nodiscard]] Database reader() const {
    Database database = Database::open(folder.file("a"), OpenMode::read_only);
    return database;
  }
};

/// Waits are long enough that a test in which one of them ran out is seen by its time.
PaceLimits limits(std::int64_t wal_bytes_max) {
  PaceLimits limits;
  limits.wal_bytes_max = wal_bytes_max;
  limits.wal_wait_max = Milliseconds{20'000};
  limits.wal_still = Milliseconds{20'000};
  return limits;
}

/// Longer than any pause of this machine would make a prompt answer.
constexpr Milliseconds kPrompt{10'000};

}  // namespace

TEST_CASE("the WAL's frames, what was copied back, and a restart are seen without reading") {
  Wal wal;
  Database database = wal.reader();
  const auto state = [&] { return wal_state(database).value(); };
  const WalState first = state();
  CHECK(first.frames > 0);
  CHECK(first.backfilled == 0);
  wal.write(3);
  const WalState grown = state();
  CHECK(grown.frames >= first.frames + 9);  // two overflow pages and a leaf for each row
  CHECK(grown.backfilled == 0);
  // As SQLite itself counts them.
  const auto counted = wal.app.query("PRAGMA wal_checkpoint(PASSIVE)");
  CHECK(std::to_string(grown.frames) == counted.at(0).at(1));
  CHECK(state().backfilled == grown.frames);
  CHECK(state().frames == grown.frames);
  wal.write();
  CHECK(state().frames < grown.frames);
  CHECK(state().backfilled == 0);
  CHECK(sqlite3_txn_state(database.handle(), "main") == SQLITE_TXN_NONE);
}

TEST_CASE("outside WAL mode nothing is asked and nobody waits") {
  Wal journal("DELETE");
  journal.write(20);
  Database database = journal.reader();
  CHECK_FALSE(wal_state(database));
  Pace pace(database, limits(0));
  const Deadline prompt(kPrompt);
  pace.let_writer_pass();
  CHECK_FALSE(prompt.passed());
  CHECK(pace.in_vain() == 0);
  CHECK(pace.slice() == limits(0).slice_journal);
}

TEST_CASE("a small WAL lets readers in at once") {
  Wal wal;
  wal.write(2);
  Database database = wal.reader();
  Pace pace(database, limits(1 << 20));
  const Deadline prompt(kPrompt);
  pace.let_writer_pass();
  CHECK_FALSE(prompt.passed());
  CHECK(pace.in_vain() == 0);
  CHECK(pace.slice() == limits(0).slice_wal);
}

TEST_CASE("a large WAL that nobody writes to lets readers in soon") {
  Wal wal;
  wal.write(2);
  Database database = wal.reader();
  PaceLimits still = limits(1);
  still.wal_still = Milliseconds{30};
  Pace pace(database, still);
  const Deadline prompt(kPrompt);
  const SteadyTime begun = steady_now();
  pace.let_writer_pass();
  CHECK(steady_now() - begun >= Milliseconds{30});
  CHECK_FALSE(prompt.passed());
  CHECK(pace.in_vain() == 0);
}

TEST_CASE("readers stay out of a large WAL until it restarts") {
  Wal wal;
  wal.write(40);
  Database database = wal.reader();
  Pace pace(database, limits(1));
  const std::uint32_t before = wal_state(database)->frames;
  std::atomic<bool> waits = false, restarted = false;
  std::thread writer([&] {
    static_cast<void>(test::wait_until([&] { return waits.load(); }, kPrompt));
    wal.write();  // into the WAL that is there
    wal.app.exec("PRAGMA wal_checkpoint(PASSIVE)");
    restarted = true;
    wal.write();
  });
  waits = true;
  const Deadline prompt(kPrompt);
  pace.let_writer_pass();
  CHECK(restarted);
  CHECK_FALSE(prompt.passed());
  writer.join();
  CHECK(wal_state(database)->frames < before);
  CHECK(pace.in_vain() == 0);
  test::saw_fault("S7",
                  "GO: above 16 MiB of WAL our readers stay out until it restarts, or a second");
}

TEST_CASE("a WAL that is written to is not still, however long that takes") {
  Wal wal;
  wal.write(2);
  Database database = wal.reader();
  PaceLimits still = limits(1);
  still.wal_still = Milliseconds{300};
  Pace pace(database, still);
  std::atomic<bool> restarted = false;
  SteadyTime::duration longest{};
  std::thread writer([&] {
    const Deadline end(Milliseconds{600});
    SteadyTime last = steady_now();
    while (!end.passed()) {
      wal.write();
      longest = std::max(longest, steady_now() - last);
      last = steady_now();
    }
    wal.app.exec("PRAGMA wal_checkpoint(PASSIVE)");
    restarted = true;
    longest = std::max(longest, steady_now() - last);
    wal.write();
  });
  pace.let_writer_pass();
  const bool waited = restarted;
  writer.join();
  // Where the machine held the writer up for so long, it was still.
  CHECK((waited || longest > Milliseconds{200}));
}

TEST_CASE("a WAL that does not restart is read after a while, and that is counted") {
  Wal wal;
  wal.write(2);
  Database database = wal.reader();
  PaceLimits patient = limits(1);
  patient.wal_wait_max = Milliseconds{200};
  Pace pace(database, patient);
  std::atomic<bool> done = false;
  std::thread writer([&] {
    while (!done) wal.write();
  });
  const SteadyTime begun = steady_now();
  pace.let_writer_pass();
  CHECK(steady_now() - begun >= Milliseconds{200});
  done = true;
  writer.join();
  CHECK(pace.in_vain() == 1);
}

}  // namespace lockstep::sqlite
