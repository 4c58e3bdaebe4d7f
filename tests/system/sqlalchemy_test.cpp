// A real application on SQLAlchemy and Alembic: their migrations make the tables on both sides (or
// lockstep makes PostgreSQL's), and every object is the same through the ORM, there and back.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

constexpr char kApplication[] = LOCKSTEP_SOURCE_DIR "/tests/system/sqlalchemy";
constexpr char kPython[] = "/usr/bin/python3";
constexpr char kRouteOfThePage[] = "/srv/shop/db.sqlite3-lockstep-route";

PostgresServer& server() {
  static PostgresServer running;
  return running;
}

bool no_sqlalchemy() {
  if (run({kPython, "-c", "import sqlalchemy, alembic, psycopg2"}).status.code == 0) return false;
  WARN("no python3-sqlalchemy, alembic or python3-psycopg2 here (ops/packages.txt): not tested");
  return true;
}

/// The first block of Python behind `words` on a page that users read.
std::string recipe(const std::string& page_name, const std::string& words) {
  const std::string page = contents(LOCKSTEP_SOURCE_DIR "/ops/" + page_name);
  const std::size_t place = page.find(words);
  REQUIRE(place != std::string::npos);
  const std::size_t from = page.find("```python\n", place) + 10;
  return page.substr(from, page.find("```", from) - from);
}

class Shop {
 public:
  /// `clocks`: with columns of Time and Interval.
  Shop(const std::string& name, bool clocks)
      : name_(name),
        clocks_(clocks),
        file_(folder_.file("shop.db")),
        dsn_(server().create_database(name)) {
    std::filesystem::copy(kApplication, folder_.path(), std::filesystem::copy_options::recursive);
    std::string code = recipe("SWITCHING.md", "### Python");
    const std::size_t route = code.find(kRouteOfThePage);
    REQUIRE(route != std::string::npos);
    code.replace(route, sizeof kRouteOfThePage - 1, file_ + "-lockstep-route");
    std::ofstream(folder_.file("switching.py"))
        << "import os\nfrom sqlalchemy import create_engine\nfrom sqlalchemy.orm import Session\n"
           "SQLITE_URL = os.environ['SHOP_SQLITE']\nPOSTGRES_URL = os.environ['SHOP_POSTGRES']\n"
        << code << "\n"
        << recipe("SWITCHING.md", "SQLAlchemy: an engine for each");
    std::ofstream(folder_.file("recipe.py")) << recipe("README.md", "**Alembic**");
    std::ofstream(folder_.file("alembic.ini"))
        << "[alembic]\nscript_location = " << folder_.file("migrations") << "\n";
    migrate("sqlite", "first");
    sqlite(file_, "PRAGMA journal_mode = WAL");
    app({"fill", "sqlite"});
  }

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

  nlohmann::json app(std::vector<std::string> arguments, const std::string& release = "1") const {
    arguments.insert(arguments.begin(), {kPython, "app.py"});
    const Outcome outcome = run(std::move(arguments), options(release), 2min);
    require_code(outcome, 0);
    return nlohmann::json::parse(outcome.output);
  }

  void follow() { following_ = start_lockstep({"run", file_, dsn_, "--quiet"}); }
  void caught_up() { require_caught_up(*following_, file_); }
  void stop() {
    following_->signal(SIGTERM);
    CHECK(following_->wait_or_throw(20s) == ExitStatus{.code = 143});
  }

  /// The application writes until write_end(), where the writers are.
  void write_begin(const std::string& release) {
    ProcessOptions with = options(release);
    with.own_stdin = true;
    writer_ = std::make_unique<Process>(std::vector<std::string>{kPython, "app.py", "write"},
                                        clean(std::move(with)));
  }
  /// It has written on that side meanwhile, and goes on.
  void has_written(const std::string& side, int times) const {
    const std::string newest = "SELECT max(id) FROM person";
    const auto counted = [&] {
      return std::stoi(side == "sqlite" ? sqlite(file_, newest).at(0)
                                        : query(dsn_, newest).at(0).at(0).value());
    };
    const int before = counted();
    const bool wrote =
        wait_until([&] { return counted() >= before + times || !writer_->running(); }, 30s, 10ms);
    INFO(writer_->output() << writer_->error_output());
    REQUIRE(writer_->running());
    REQUIRE(wrote);
  }
  nlohmann::json write_end() {
    writer_->close_stdin();
    const ExitStatus status = writer_->wait_or_throw(30s);
    INFO(writer_->error_output());
    REQUIRE(status == ExitStatus{.code = 0});
    return nlohmann::json::parse(writer_->output());
  }

  void move(const std::string& direction) const {
    std::vector<std::string> arguments{direction, file_,         "--confirm", "shop",
                                       "--json",  "--max-pause", "5s",        "--when-ready"};
    arguments.insert(arguments.end(), {"--verify-max-age", "0"});
    require_code(lockstep(arguments), 0);
  }

  /// Every object of every model, through the ORM; and by lockstep.
  void equal(const std::string& release) {
    caught_up();
    const nlohmann::json found = app({"equal"}, release);
    INFO(found.dump(1));
    CHECK(found["differences"].empty());
    CHECK(found["objects"]["Sample"].get<int>() > 10);
    CHECK(found["objects"]["Token"].get<int>() > 3);
    require_code(lockstep({"verify", file_, dsn_}), 0);
  }

  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& dsn() const { return dsn_; }
  Process& following() { return *following_; }

 private:
  [[nodiscard]] std::string url(const std::string& side) const {
    return side == "sqlite" ? "sqlite:///" + file_
                            : fmt::format("postgresql+psycopg2://postgres@/{}?host={}", name_,
                                          server().folder().string());
  }
  [[nodiscard]] ProcessOptions options(const std::string& release) const {
    return {.environment = {"SHOP_SQLITE=" + url("sqlite"), "SHOP_POSTGRES=" + url("postgres"),
                            "SHOP_RELEASE=" + release, clocks_ ? "SHOP_CLOCKS=1" : "SHOP_CLOCKS=0",
                            "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=" + folder_.path().string()},
            .directory = folder_.path().string()};
  }
  void alembic(const std::string& side, std::vector<std::string> what,
               const std::string& release) const {
    what.insert(what.begin(), {"alembic", "-x", "url=" + url(side)});
    require_code(run(std::move(what), options(release), 2min), 0);
  }

  TempDir folder_;
  std::string name_;
  bool clocks_;
  std::string file_, dsn_;
  std::unique_ptr<Process> following_, writer_;
};

/// The application writes, goes to PostgreSQL while it does, and comes back.
void there_and_back(Shop& shop, const std::string& release) {
  const nlohmann::json on_sqlite = shop.app({"use", "sqlite"}, release);
  shop.write_begin(release);
  shop.has_written("sqlite", 3);
  shop.move("cutover");
  shop.has_written("postgres", 10);
  nlohmann::json wrote = shop.write_end();
  CHECK(wrote["sqlite"] > 0);
  CHECK(wrote["postgresql"] > 0);
  CHECK(shop.app({"use", "postgres"}, release) == on_sqlite);
  shop.write_begin(release);
  shop.has_written("postgres", 3);
  shop.move("rollback");
  shop.has_written("sqlite", 10);
  wrote = shop.write_end();
  CHECK(wrote["sqlite"] > 0);
  CHECK(wrote["postgresql"] > 0);
  CHECK(shop.app({"use", "sqlite"}, release) == on_sqlite);
  shop.equal(release);
}

}  // namespace

TEST_CASE("an application on SQLAlchemy goes to the schema that Alembic made, and back",
          "[system]") {
  if (no_sqlalchemy()) return;
  Shop shop("alembic", true);
  shop.migrate("postgres", "first");
  shop.follow();
  shop.caught_up();
  shop.write_begin("1");
  shop.has_written("sqlite", 20);
  shop.write_end();
  shop.equal("1");

  // A migration, as ops/README.md has it; the old release writes until the new one starts.
  require_code(lockstep({"ddl", "hold", shop.file()}), 0);
  shop.migrate("postgres", "second");
  shop.write_begin("1");
  shop.has_written("sqlite", 3);
  shop.write_end();
  shop.migrate("sqlite", "second");
  require_code(lockstep({"ddl", "accept", shop.file()}), 0);
  shop.write_begin("2");
  shop.has_written("sqlite", 10);
  shop.write_end();
  shop.equal("2");
  CHECK(query(shop.dsn(), "SELECT 1 FROM sample WHERE kind = 'odd'").size() > 5);
  for (const char* side : {"sqlite", "postgres"})
    CHECK_THAT(shop.would_change(side, "2"), !Catch::Contains("_lockstep"));

  there_and_back(shop, "2");
  shop.stop();
}

TEST_CASE("SQLAlchemy lives on the schema that lockstep made, and Alembic's batches are followed",
          "[system]") {
  if (no_sqlalchemy()) return;
  Shop shop("made", false);
  shop.follow();
  shop.caught_up();
  shop.write_begin("1");
  shop.has_written("sqlite", 10);
  shop.write_end();
  shop.equal("1");
  // The batch rebuilds both tables; one of them has another CHECK then.
  shop.migrate("sqlite", "second");
  shop.write_begin("2");
  shop.has_written("sqlite", 10);
  shop.write_end();
  shop.equal("2");
  CHECK_THAT(query(shop.dsn(),
                   "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname "
                   "= 'ck_sample_kind'")
                 .at(0)
                 .at(0)
                 .value(),
             Catch::Contains("odd"));
  there_and_back(shop, "2");
  shop.stop();
}

}  // namespace lockstep::test
