// A real application on Drizzle, whose booleans and moments are integers in SQLite: drizzle-kit's
// migration (or lockstep, by a configuration) makes PostgreSQL's tables, and every object is the
// same through Drizzle on both sides, there and back.
#include <map>

#include "tests/system/node_orms.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"timezone=America/New_York"}};
  return running;
}

class Drizzle : public NodeShop {
 public:
  explicit Drizzle(const std::string& name)
      : NodeShop(database(name), "drizzle", name, "SELECT max(id) FROM users") {}

 private:
  static const PostgresServer& database(const std::string& name) {
    install_orms();
    static_cast<void>(server().create_database(name));
    return server();
  }
};

// What integers and texts are for Drizzle, which its declarations in SQLite do not say.
const std::map<std::string, std::string> kMoments{{"users.created_at", "epoch-ms"},
                                                  {"users.seen_at", "epoch-s"},
                                                  {"samples.at", "epoch-ms"},
                                                  {"events.at", "epoch-ms"}};
const std::map<std::string, std::string> kOthers{{"users.active", "boolean"},
                                                 {"users.settings", "json"},
                                                 {"samples.maybe", "boolean"},
                                                 {"samples.data", "json"},
                                                 {"options.value", "json"}};

}  // namespace

TEST_CASE("a Drizzle application goes to the schema that drizzle-kit made, and back", "[system]") {
  Drizzle drizzle("migrated");
  static_cast<void>(drizzle.app({"schema", "postgres"}));
  // Numbers that may as well be seconds are never guessed: each is named.
  const Outcome refused = lockstep({"run", drizzle.file(), drizzle.dsn()});
  require_code(refused, 3);
  CHECK_THAT(everything(refused), Catch::Contains("LS-T221") && Catch::Contains("seen_at") &&
                                      Catch::Contains("may count seconds"));
  drizzle.follow_with(kMoments);
  drizzle.caught_up();
  drizzle.write_some(10);
  drizzle.equal();
  drizzle.there_and_back();
  CHECK(drizzle.equal()["samples"].get<int>() > 20);
  drizzle.stop();
}

TEST_CASE("Drizzle lives on the schema that lockstep made", "[system]") {
  Drizzle drizzle("made");
  std::map<std::string, std::string> types = kMoments;
  types.insert(kOthers.begin(), kOthers.end());
  drizzle.follow_with(types);
  drizzle.caught_up();
  drizzle.write_some(10);
  drizzle.equal();
  drizzle.there_and_back();
  drizzle.stop();
}

}  // namespace lockstep::test
