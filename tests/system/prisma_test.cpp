// A real application on Prisma: Prisma Migrate (or lockstep) makes PostgreSQL's tables, and every
// object is the same through Prisma Client on both sides, there and back.
#include <fmt/format.h>

#include "tests/system/node_orms.hpp"

namespace lockstep::test {
namespace {

/// In a zone of its own, as servers are that were set up by hand.
PostgresServer& server() {
  static PostgresServer running{{"timezone=America/New_York"}};
  return running;
}

// Which texts Prisma writes into SQLite; numbers were its way before it had driver adapters.
constexpr char kTexts[] = "iso8601", kNumbers[] = "unixepoch-ms";

class Prisma : public NodeShop {
 public:
  Prisma(const std::string& name, const std::string& format, bool made = false)
      : NodeShop(database(name), "prisma", name, R"(SELECT max(id) FROM "Person")",
                 {{"SHOP_FORMAT", format}, {"SHOP_MADE", made ? "1" : ""}}) {}

  /// From now on it writes instants in the other way.
  void writes(const std::string& format) { environment_["SHOP_FORMAT"] = format; }
  /// What the recipe of ops/SWITCHING.md says.
  void in_utc() const {
    static_cast<void>(query(
        dsn(), "ALTER DATABASE " + environment_.at("SHOP_DATABASE") + " SET timezone = 'UTC'"));
  }

 private:
  static const PostgresServer& database(const std::string& name) {
    install_orms();
    static_cast<void>(server().create_database(name));
    return server();
  }
};

}  // namespace

TEST_CASE("a Prisma application goes to the schema that Prisma Migrate made, and back",
          "[system]") {
  if (!node_runs_prisma()) {
    WARN("this Node.js is too old for Prisma: not tested");
    return;
  }
  Prisma prisma("migrated", kTexts);
  static_cast<void>(prisma.app({"schema", "postgres"}));
  prisma.follow();
  prisma.caught_up();
  prisma.write_some(8);
  prisma.equal();
  prisma.there_and_back();
  CHECK(prisma.equal()["Sample"].get<int>() > 20);
  prisma.stop();
}

TEST_CASE("Prisma lives on the schema that lockstep made", "[system]") {
  if (!node_runs_prisma()) {
    WARN("this Node.js is too old for Prisma: not tested");
    return;
  }
  // JSON that is a number is one in SQLite, and says so.
  Prisma prisma("made", kNumbers, true);
  const Outcome refused = lockstep({"run", prisma.file(), prisma.dsn()});
  require_code(refused, 3);
  CHECK_THAT(everything(refused),
             Catch::Contains(R"("columns": { "Setting.value": { "type": "json" } })"));
  prisma.follow_with({{"Setting.value", "json"}});
  prisma.caught_up();
  prisma.write_some(8);
  CHECK(prisma.equal()["Event"].get<int>() > 10);
  prisma.there_and_back();
  prisma.stop();
}

TEST_CASE("what Prisma wrote in numbers, in texts or in both is the same moment", "[system]") {
  if (!node_runs_prisma()) {
    WARN("this Node.js is too old for Prisma: not tested");
    return;
  }
  SECTION("numbers go to the schema that Prisma Migrate made, those of before 1973 as well") {
    Prisma prisma("numbers", kNumbers);
    static_cast<void>(prisma.app({"schema", "postgres"}));
    prisma.follow();
    prisma.caught_up();
    prisma.write_some(8);
    prisma.equal();
    prisma.stop();
  }
  SECTION("texts have a zone, and lockstep says what Prisma makes of it") {
    Prisma prisma("texts", kTexts);
    const Outcome page = lockstep({"assess", prisma.file()});
    require_code(page, 0);
    CHECK_THAT(everything(page),
               Catch::Contains("LS-T265") && Catch::Contains("SET timezone = 'UTC'"));
    prisma.in_utc();
    prisma.follow();
    prisma.caught_up();
    prisma.write_some(8);
    prisma.equal();
    prisma.stop();
  }
  SECTION("both, after the change to driver adapters, are decided by lines that are printed") {
    Prisma prisma("upgraded", kNumbers);
    prisma.writes(kTexts);
    prisma.write_some(8);
    const Outcome refused = lockstep({"run", prisma.file(), prisma.dsn()});
    require_code(refused, 3);
    for (const char* column : {"Person.createdAt", "Person.updatedAt", "Sample.at"})
      CHECK_THAT(everything(refused),
                 Catch::Contains(fmt::format(R"("{}": {{ "type": "epoch-ms" }})", column)));
    prisma.in_utc();
    prisma.follow_with({{"Person.createdAt", "epoch-ms"},
                        {"Person.updatedAt", "epoch-ms"},
                        {"Sample.at", "epoch-ms"},
                        {"Event.at", "epoch-ms"}});
    prisma.caught_up();
    prisma.write_some(8);
    prisma.equal();
    prisma.stop();
  }
}

}  // namespace lockstep::test
