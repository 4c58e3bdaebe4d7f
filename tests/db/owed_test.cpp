// A comparison that is owed (apply/owed): of whoever dies in the middle of entering it.
#include "apply/owed.hpp"
#include "apply/ledger.hpp"
#include "tests/support/followed_target.hpp"

namespace lockstep::test {

using postgres::Connection;

TEST_CASE("a debt whose owner died before it looked who was under way still waits for them",
          "[db]") {
  PostgresServer server{{"fsync=off"}};
  const std::string dsn = fresh_database(server);
  Connection ours = connect(dsn), long_one = connect(dsn);
  apply::create_ledger(ours);
  apply::enter_ledger(ours, "m", "11111111-1111-4111-8111-111111111111", "/app.db", "public");
  CHECK(apply::settle_owed(ours, "m"));
  CHECK(apply::owed_comparison(ours, "m").first_pass == 0);
  ours.exec(fmt::format("UPDATE lockstep.ledger SET owed_behind = '{}'", apply::kNobodyLooked));
  CHECK(apply::owed_comparison(ours, "m").waits);
  long_one.exec("BEGIN; SELECT 1");
  for (int look = 0; look < 3; ++look) CHECK_FALSE(apply::settle_owed(ours, "m"));
  CHECK(apply::owed_comparison(ours, "m").waits);
  long_one.exec("COMMIT");
  CHECK(apply::settle_owed(ours, "m"));
  const apply::Owed now = apply::owed_comparison(ours, "m");
  CHECK_FALSE(now.waits);
  CHECK(now.first_pass == 1);
}

}  // namespace lockstep::test
