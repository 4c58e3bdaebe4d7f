// What a newer lockstep adds to an older one's ledger holds up nobody who writes to the copied
// tables: each of them reads the ledger.
#include <thread>

#include "apply/dual_write.hpp"
#include "apply/guard.hpp"
#include "apply/ledger_change.hpp"
#include "apply/switch_ledger.hpp"
#include "tests/support/followed_target.hpp"
#include "tests/support/wait_until.hpp"

namespace lockstep::test {
namespace {

using namespace std::chrono_literals;
using postgres::Connection;

PostgresServer& server() {
  static PostgresServer running{{"fsync=off"}};
  return running;
}

constexpr char kRead[] = "SELECT migration FROM lockstep.ledger";

}  // namespace

TEST_CASE("an older ledger gets its columns without holding others up", "[db]") {
  struct Older {
    const char* name;
    const char* undo;
    void (*ensure)(Connection&);
    const char* there;
  };
  const Older older = GENERATE(
      Older{"guard", "ALTER TABLE lockstep.ledger DROP guard_held", apply::ensure_guard_ledger,
            "SELECT guard_held FROM lockstep.ledger"},
      Older{"switch", "ALTER TABLE lockstep.ledger DROP owed_pass, DROP owed_behind",
            apply::ensure_switch_ledger, "SELECT owed_behind, owed_pass FROM lockstep.ledger"},
      Older{"dual", "DROP TABLE lockstep.dual_rows; ALTER TABLE lockstep.ledger DROP dual_era",
            apply::ensure_dual_ledger, "SELECT dual_era FROM lockstep.ledger"});
  INFO(older.name);
  const std::string dsn = fresh_database(server());
  Connection ours = connect(dsn), long_one = connect(dsn), other = connect(dsn);
  apply::create_ledger(ours);
  ours.exec(older.undo);
  long_one.exec("BEGIN");
  long_one.exec(kRead);
  other.exec("SET statement_timeout = '3s'");
  std::exception_ptr failed;
  std::thread changing([&] {
    try {
      older.ensure(ours);
    } catch (...) {
      failed = std::current_exception();
    }
  });
  // Others come just when it waits; twice, for it comes again.
  for (int time = 0; time < 2; ++time) {
    CHECK(wait_until(
        [&] {
          return other.exec("SELECT count(*) FROM pg_locks WHERE NOT granted").integer(0, 0) > 0;
        },
        10s, 1ms));
    CHECK_NOTHROW(other.exec(kRead));
  }
  long_one.exec("COMMIT");
  changing.join();
  CHECK_FALSE(failed);
  CHECK_NOTHROW(other.exec(older.there));
}

TEST_CASE("who keeps an older ledger locked is named", "[db]") {
  const std::string dsn = fresh_database(server());
  Connection ours = connect(dsn), long_one = connect(dsn);
  apply::create_ledger(ours);
  long_one.exec("SET application_name = 'thinks long'; BEGIN");
  long_one.exec(kRead);
  std::string code, why;
  try {
    apply::change_ledger(ours, "ALTER TABLE lockstep.ledger ADD COLUMN later text", 100ms);
  } catch (const Error& error) {
    code = error.code();
    why = error.facts().why;
  }
  CHECK(code == "LS-T213");
  CHECK_THAT(why, Catch::Contains("thinks long"));
  CHECK(ours.exec("SELECT 1").integer(0, 0) == 1);  // it is out of the transaction
}

}  // namespace lockstep::test
