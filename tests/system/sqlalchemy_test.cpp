// A real application on SQLAlchemy and Alembic: their migrations make the tables on both sides (or
// lockstep makes PostgreSQL's), and every object is the same through the ORM, there and back.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "tests/system/orm_world.hpp"

namespace lockstep::test {
namespace {

constexpr char kApplication[] = LOCKSTEP_SOURCE_DIR "/tests/system/sqlalchemy";
constexpr char kPython[] = "/usr/bin/python3";

PostgresServer& server() {
  static PostgresServer running;
  return running;
}

bool no_sqlalchemy() {
  if (run({kPython, "-c", "import sqlalchemy, alembic, psycopg2"}).status.code == 0) return false;
  WARN("no python3-sqlalchemy, alembic or python3-psycopg2 here (ops/packages.txt): not tested");
  return true;
}

class Shop : public OrmWorld {
 public:
  /// `clocks`: with columns of Time and Interval.
  Shop(const std::string& name, bool clocks)
      : OrmWorld(server().create_database(name), {kPython, "app.py"}, "SELECT max(id) FROM person"),
        name_(name) {
    std::filesystem::copy(kApplication, folder_.path(), std::filesystem::copy_options::recursive);
    environment_ = {{"SHOP_SQLITE", url("sqlite")},
                    {"SHOP_POSTGRES", url("postgres")},
                    {"SHOP_RELEASE", "1"},
                    {"SHOP_CLOCKS", clocks ? "1" : "0"},
                    {"PYTHONDONTWRITEBYTECODE", "1"},
                    {"PYTHONPATH", folder_.path().string()}};
    std::ofstream(folder_.file("switching.py"))
        << "import os\nfrom sqlalchemy import create_engine\nfrom sqlalchemy.orm import Session\n"
           "SQLITE_URL = os.environ['SHOP_SQLITE']\nPOSTGRES_URL = os.environ['SHOP_POSTGRES']\n"
        << with_route(recipe("SWITCHING.md", "### Python", "python"), file()) << "\n"
        << recipe("SWITCHING.md", "SQLAlchemy: an engine for each", "python");
    std::ofstream(folder_.file("recipe.py")) << recipe("README.md", "**Alembic**", "python");
    std::ofstream(folder_.file("alembic.ini"))
        << "[alembic]\nscript_location = " << folder_.file("migrations") << "\n";
    migrate("sqlite", "first");
    sqlite(file(), "PRAGMA journal_mode = WAL");
    static_cast<void>(app({"fill", "sqlite"}));
  }

  /// The application as it is from now on: "2" is the next release.
  void release(const std::string& number) { environment_["SHOP_RELEASE"] = number; }
  /// `alembic upgrade` there.
  void migrate(const std::string& side, const std::string& revision) const {
    alembic(side, {"upgrade", revision}, revision == "second" ? "2" : "1");
  }
  /// What `alembic revision --autogenerate` would change there.
  std::string would_change(const std::string& side, const std::string& release) const {
    alembic(side, {"revision", "--autogenerate", "--rev-id", "next", "-m", "x"}, release);
    const std::string file = folder_.file("migrations/versions/next_x.py");
    const std::string text = contents(file);
    std::filesystem::remove(file);
    return text.substr(text.find("def upgrade"));
  }

  void all_equal() {
    const nlohmann::json objects = equal();
    CHECK(objects["Sample"].get<int>() > 10);
    CHECK(objects["Token"].get<int>() > 3);
  }

 private:
  [[nodiscard]] std::string url(const std::string& side) const {
    return side == "sqlite" ? "sqlite:///" + file()
                            : fmt::format("postgresql+psycopg2://postgres@/{}?host={}", name_,
                                          server().folder().string());
  }
  void alembic(const std::string& side, std::vector<std::string> what,
               const std::string& release) const {
    what.insert(what.begin(), {"alembic", "-x", "url=" + url(side)});
    ProcessOptions with = options();
    std::erase_if(with.environment,
                  [](const std::string& each) { return each.starts_with("SHOP_RELEASE="); });
    with.environment.push_back("SHOP_RELEASE=" + release);
    require_code(run(std::move(what), std::move(with), 2min), 0);
  }

  std::string name_;
};

}  // namespace

TEST_CASE("an application on SQLAlchemy goes to the schema that Alembic made, and back",
          "[system]") {
  if (no_sqlalchemy()) return;
  Shop shop("alembic", true);
  shop.migrate("postgres", "first");
  shop.follow();
  shop.caught_up();
  shop.write_some(20);
  shop.all_equal();

  // A migration, as ops/README.md has it; the old release writes until the new one starts.
  require_code(lockstep({"ddl", "hold", shop.file()}), 0);
  shop.migrate("postgres", "second");
  shop.write_some(3);
  shop.migrate("sqlite", "second");
  require_code(lockstep({"ddl", "accept", shop.file()}), 0);
  shop.release("2");
  shop.write_some(10);
  shop.all_equal();
  CHECK(query(shop.dsn(), "SELECT 1 FROM sample WHERE kind = 'odd'").size() > 5);
  for (const char* side : {"sqlite", "postgres"})
    CHECK_THAT(shop.would_change(side, "2"), !Catch::Contains("_lockstep"));

  shop.there_and_back();
  shop.stop();
}

TEST_CASE("SQLAlchemy lives on the schema that lockstep made, and Alembic's batches are followed",
          "[system]") {
  if (no_sqlalchemy()) return;
  Shop shop("made", false);
  shop.follow();
  shop.caught_up();
  shop.write_some(10);
  shop.all_equal();
  // The batch rebuilds both tables; one of them has another CHECK then.
  shop.migrate("sqlite", "second");
  shop.release("2");
  shop.write_some(10);
  shop.all_equal();
  CHECK_THAT(query(shop.dsn(),
                   "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname "
                   "= 'ck_sample_kind'")
                 .at(0)
                 .at(0)
                 .value(),
             Catch::Contains("odd"));
  shop.there_and_back();
  shop.stop();
}

}  // namespace lockstep::test
