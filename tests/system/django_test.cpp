// A real Django application: its migrations make the tables on both sides, lockstep needs no
// configuration, and every object is the same through the ORM, there and back.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

constexpr char kProject[] = LOCKSTEP_SOURCE_DIR "/tests/system/django";
constexpr char kPython[] = "/usr/bin/python3";
constexpr char kRouteOfThePage[] = "/srv/shop/db.sqlite3-lockstep-route";

PostgresServer& server() {
  static PostgresServer running;
  return running;
}

bool no_django() {
  if (run({kPython, "-c", "import django, psycopg2"}).status.code == 0) return false;
  WARN("no python3-django here (ops/packages.txt): not tested");
  return true;
}

/// The first block of Python behind `words` on the page that users read.
std::string recipe(const std::string& words) {
  const std::string page = contents(LOCKSTEP_SOURCE_DIR "/ops/SWITCHING.md");
  const std::size_t place = page.find(words);
  REQUIRE(place != std::string::npos);
  const std::size_t from = page.find("```python\n", place) + 10;
  return page.substr(from, page.find("```", from) - from);
}

class Project {
 public:
  explicit Project(const std::string& name)
      : name_(name), file_(folder_.file("shop.db")), dsn_(server().create_database(name)) {
    std::filesystem::copy(kProject, folder_.path(), std::filesystem::copy_options::recursive);
    std::string code = recipe("### Python");
    const std::size_t route = code.find(kRouteOfThePage);
    REQUIRE(route != std::string::npos);
    code.replace(route, sizeof kRouteOfThePage - 1, file_ + "-lockstep-route");
    std::ofstream(folder_.file("switching.py"))
        << code << "\nimport contextvars\nfrom django.db import transaction\n\n"
        << recipe("Django: both as databases");
    manage({"makemigrations", "shop"});
    manage({"migrate", "--database", "sqlite"});
    sqlite(file_, "PRAGMA journal_mode = WAL");
  }

  void manage(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {kPython, "manage.py"});
    require_code(run(std::move(arguments), options(), 2min), 0);
  }
  /// The application as it is from now on: "2" is the next release, with a migration.
  void release(const std::string& number) { release_ = number; }
  nlohmann::json tour(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {kPython, "tour.py"});
    const Outcome outcome = run(std::move(arguments), options(), 2min);
    require_code(outcome, 0);
    return nlohmann::json::parse(outcome.output);
  }

  void follow() { following_ = start_lockstep({"run", file_, dsn_, "--quiet"}); }
  void caught_up() { require_caught_up(*following_, file_); }
  void stop() {
    following_->signal(SIGTERM);
    CHECK(following_->wait_or_throw(20s) == ExitStatus{.code = 143});
  }

  /// The application writes until write_end().
  void write_begin() {
    ProcessOptions with = options();
    with.own_stdin = true;
    writer_ = std::make_unique<Process>(std::vector<std::string>{kPython, "tour.py", "write"},
                                        clean(std::move(with)));
  }
  /// It has written on that side meanwhile, and goes on.
  void has_written(const std::string& side, int times) {
    const std::string count = "SELECT count(*) FROM shop_author";
    const auto counted = [&] {
      return std::stoi(side == "sqlite" ? sqlite(file_, count).at(0)
                                        : query(dsn_, count).at(0).at(0).value());
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

  /// Every object of every model, through the ORM.
  void equal() const {
    const nlohmann::json found = tour({"equal"});
    INFO(found.dump(1));
    CHECK(found["differences"].empty());
    CHECK(found["objects"]["shop.Work"].get<int>() > 20);
    CHECK(found["objects"]["auth.Permission"].get<int>() > 20);
    CHECK(found["objects"]["sessions.Session"].get<int>() > 0);
  }

  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& dsn() const { return dsn_; }

 private:
  [[nodiscard]] ProcessOptions options() const {
    return {.environment = {"SHOP_SQLITE=" + file_, "SHOP_HOST=" + server().folder().string(),
                            "SHOP_DATABASE=" + name_, "SHOP_RELEASE=" + release_,
                            "PYTHONDONTWRITEBYTECODE=1"},
            .directory = folder_.path().string()};
  }

  TempDir folder_;
  std::string name_, file_, dsn_, release_ = "1";
  std::unique_ptr<Process> following_, writer_;
};

}  // namespace

TEST_CASE("a Django application goes to its own tables and back without a configuration",
          "[system]") {
  if (no_django()) return;
  Project project("django");
  project.manage({"migrate", "--database", "postgres"});
  static_cast<void>(project.tour({"fill", "sqlite"}));
  project.write_begin();
  project.has_written("sqlite", 3);
  project.follow();
  project.has_written("sqlite", 3);
  project.caught_up();
  project.has_written("sqlite", 20);
  CHECK(project.write_end()["postgres"] == 0);
  const nlohmann::json on_sqlite = project.tour({"use", "sqlite"});
  project.caught_up();
  project.equal();
  require_code(lockstep({"verify", project.file(), project.dsn()}), 0);

  // A migration in the middle, as ops/README.md has it; the old release writes until the new one
  // starts.
  require_code(lockstep({"ddl", "hold", project.file()}), 0);
  project.release("2");
  project.manage({"makemigrations", "shop"});
  project.manage({"migrate", "--database", "postgres"});
  project.release("1");
  project.write_begin();
  project.has_written("sqlite", 3);
  CHECK(project.write_end()["postgres"] == 0);
  project.release("2");
  project.manage({"migrate", "--database", "sqlite"});
  require_code(lockstep({"ddl", "accept", project.file()}), 0);
  project.write_begin();
  project.has_written("sqlite", 10);
  CHECK(project.write_end()["postgres"] == 0);
  project.caught_up();
  project.equal();
  CHECK(query(project.dsn(), "SELECT 1 FROM shop_shelf_works").size() > 5);
  require_code(lockstep({"verify", project.file(), project.dsn()}), 0);

  // Django sees nothing of lockstep's on either side.
  project.manage({"makemigrations", "--check", "--dry-run"});
  for (const char* side : {"sqlite", "postgres"})
    project.manage({"migrate", "--check", "--database", side});

  // The writers move while they write, by the recipe of the page.
  project.write_begin();
  project.has_written("sqlite", 3);
  project.move("cutover");
  project.has_written("postgres", 10);
  nlohmann::json wrote = project.write_end();
  CHECK(wrote["sqlite"] > 0);
  CHECK(wrote["postgres"] > 0);
  const nlohmann::json on_postgres = project.tour({"use", "postgres"});
  CHECK(on_postgres == on_sqlite);
  project.write_begin();
  project.has_written("postgres", 3);
  project.move("rollback");
  project.has_written("sqlite", 10);
  wrote = project.write_end();
  CHECK(wrote["sqlite"] > 0);
  CHECK(wrote["postgres"] > 0);
  CHECK(project.tour({"use", "sqlite"}) == on_sqlite);
  project.caught_up();
  project.equal();
  project.stop();
  require_code(lockstep({"verify", project.file(), project.dsn()}), 0);
}

}  // namespace lockstep::test
