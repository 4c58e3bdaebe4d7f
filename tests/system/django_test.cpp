// A real Django application: its migrations make the tables on both sides, lockstep needs no
// configuration, and every object is the same through the ORM, there and back.
#include <filesystem>
#include <fstream>

#include "tests/system/orm_world.hpp"

namespace lockstep::test {
namespace {

constexpr char kProject[] = LOCKSTEP_SOURCE_DIR "/tests/system/django";
constexpr char kPython[] = "/usr/bin/python3";

PostgresServer& server() {
  static PostgresServer running;
  return running;
}

bool no_django() {
  if (run({kPython, "-c", "import django, psycopg2"}).status.code == 0) return false;
  WARN("no python3-django here (ops/packages.txt): not tested");
  return true;
}

class Project : public OrmWorld {
 public:
  explicit Project(const std::string& name)
      : OrmWorld(server().create_database(name), {kPython, "tour.py"},
                 "SELECT max(id) FROM shop_author") {
    std::filesystem::copy(kProject, folder_.path(), std::filesystem::copy_options::recursive);
    environment_ = {{"SHOP_SQLITE", file()},
                    {"SHOP_HOST", server().folder().string()},
                    {"SHOP_DATABASE", name},
                    {"SHOP_RELEASE", "1"},
                    {"PYTHONDONTWRITEBYTECODE", "1"}};
    std::ofstream(folder_.file("switching.py"))
        << with_route(recipe("SWITCHING.md", "### Python", "python"), file())
        << "\nimport contextvars\nfrom django.db import transaction\n\n"
        << recipe("SWITCHING.md", "Django: both as databases", "python");
    manage({"makemigrations", "shop"});
    manage({"migrate", "--database", "sqlite"});
    sqlite(file(), "PRAGMA journal_mode = WAL");
  }

  void manage(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {kPython, "manage.py"});
    require_code(run(std::move(arguments), options(), 2min), 0);
  }
  /// The application as it is from now on: "2" is the next release, with a migration.
  void release(const std::string& number) { environment_["SHOP_RELEASE"] = number; }

  void all_equal() {
    const nlohmann::json objects = equal();
    CHECK(objects["shop.Work"].get<int>() > 20);
    CHECK(objects["auth.Permission"].get<int>() > 20);
    CHECK(objects["sessions.Session"].get<int>() > 0);
  }
};

}  // namespace

TEST_CASE("a Django application goes to its own tables and back without a configuration",
          "[system]") {
  if (no_django()) return;
  Project project("django");
  project.manage({"migrate", "--database", "postgres"});
  static_cast<void>(project.app({"fill", "sqlite"}));
  project.write_begin();
  project.has_written("sqlite", 3);
  project.follow();
  project.has_written("sqlite", 3);
  project.caught_up();
  project.has_written("sqlite", 20);
  CHECK(project.write_end()["postgres"] == 0);
  const nlohmann::json on_sqlite = project.app({"use", "sqlite"});
  project.all_equal();

  // A migration in the middle, as ops/README.md has it; the old release writes until the new one
  // starts.
  require_code(lockstep({"ddl", "hold", project.file()}), 0);
  project.release("2");
  project.manage({"makemigrations", "shop"});
  project.manage({"migrate", "--database", "postgres"});
  project.release("1");
  project.write_some(3);
  project.release("2");
  project.manage({"migrate", "--database", "sqlite"});
  require_code(lockstep({"ddl", "accept", project.file()}), 0);
  project.write_some(10);
  project.all_equal();
  CHECK(query(project.dsn(), "SELECT 1 FROM shop_shelf_works").size() > 5);

  // Django sees nothing of lockstep's on either side.
  project.manage({"makemigrations", "--check", "--dry-run"});
  for (const char* side : {"sqlite", "postgres"})
    project.manage({"migrate", "--check", "--database", side});

  // The writers move while they write, by the recipe of the page.
  CHECK(project.there_and_back() == on_sqlite);
  project.all_equal();
  project.stop();
  require_code(lockstep({"verify", project.file(), project.dsn()}), 0);
}

}  // namespace lockstep::test
