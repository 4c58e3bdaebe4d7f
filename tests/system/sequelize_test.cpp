// A real application on Sequelize, whose booleans are TINYINT(1) and whose moments end in " +00:00"
// in SQLite: sync() (or lockstep, by the lines that assess prints) makes PostgreSQL's tables, and
// every object is the same through Sequelize on both sides, there and back.
#include <fmt/format.h>

#include "tests/system/node_orms.hpp"

namespace lockstep::test {
namespace {

PostgresServer& server() {
  static PostgresServer running{{"timezone=America/New_York"}};
  return running;
}

class Sequelize : public NodeShop {
 public:
  explicit Sequelize(const std::string& name, bool made = false)
      : NodeShop(database(name), "sequelize", name, R"(SELECT max(id) FROM "Authors")",
                 {{"SHOP_MADE", made ? "1" : ""}}) {}

 private:
  static const PostgresServer& database(const std::string& name) {
    install_orms();
    static_cast<void>(server().create_database(name));
    return server();
  }
};

}  // namespace

TEST_CASE("a Sequelize application goes to the schema that sync() made, and back", "[system]") {
  Sequelize sequelize("synced");
  static_cast<void>(sequelize.app({"schema", "postgres"}));
  sequelize.follow();
  sequelize.caught_up();
  sequelize.write_some(10);
  sequelize.equal();
  sequelize.there_and_back();
  CHECK(sequelize.equal()["Work"].get<int>() > 20);
  sequelize.stop();
}

TEST_CASE("Sequelize lives on the schema that lockstep made", "[system]") {
  Sequelize sequelize("made", true);
  const Outcome page = lockstep({"assess", sequelize.file()});
  require_code(page, 0);
  for (const char* column : {"Authors.active", "Works.maybe"})
    CHECK_THAT(everything(page), Catch::Contains(fmt::format(
                                     R"("columns": {{ "{}": {{ "type": "boolean" }} }})", column)));
  sequelize.follow_with({{"Authors.active", "boolean"}, {"Works.maybe", "boolean"}});
  sequelize.caught_up();
  sequelize.write_some(10);
  sequelize.equal();
  sequelize.there_and_back();
  sequelize.stop();
}

}  // namespace lockstep::test
