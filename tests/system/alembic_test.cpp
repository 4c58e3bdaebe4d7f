// Real Alembic beside lockstep: with the recipe of ops/README.md, autogenerate leaves what is
// lockstep's alone on both sides; without it, it would drop it.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

constexpr char kModels[] = R"(
import sqlalchemy as sa
metadata = sa.MetaData()
sa.Table("person", metadata, sa.Column("id", sa.Integer, primary_key=True),
         sa.Column("name", sa.String(50), nullable=False), sa.Column("born", sa.DateTime),
         sa.Column("done", sa.Boolean), sa.Index("ix_person_name", "name"))
sa.Table("likes", metadata, sa.Column("who", sa.Integer), sa.Column("what", sa.String(9)))
)";

constexpr char kEnvironment[] = R"(
import sys
sys.path.insert(0, {folder!r})
import sqlalchemy as sa
from alembic import context
from models import metadata
url = context.get_x_argument(as_dictionary=True)["url"]
{recipe}
with sa.create_engine(url).connect() as connection:
    context.configure(connection=connection, target_metadata=metadata, include_schemas=True, {use})
    with context.begin_transaction():
        context.run_migrations()
)";

/// The Python of the recipe, from the page that users read.
std::string recipe() {
  const std::string page = contents(LOCKSTEP_SOURCE_DIR "/ops/README.md");
  const std::size_t start = page.find("```python\n");
  REQUIRE(start != std::string::npos);
  const std::size_t begin = start + 10;
  return page.substr(begin, page.find("```", begin) - begin);
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  text.replace(text.find(what), what.size(), by);
  return text;
}

class Alembic {
 public:
  Alembic() {
    std::filesystem::create_directories(folder_.file("migrations/versions"));
    write("models.py", kModels);
    write("alembic.ini", "[alembic]\nscript_location = " + folder_.file("migrations") + "\n");
    write("migrations/script.py.mako",
          "revision = ${repr(up_revision)}\ndown_revision = ${repr(down_revision)}\n"
          "import sqlalchemy as sa\nfrom alembic import op\n\ndef upgrade():\n"
          "    ${upgrades if upgrades else 'pass'}\n\ndef downgrade():\n    pass\n");
    made_by("first");
  }

  /// What autogenerate would do to the database at `url`.
  std::string would_do(const std::string& url, bool with_recipe) {
    environment(with_recipe);
    run_alembic(url, {"revision", "--autogenerate", "--rev-id", "second", "-m", "x"});
    const std::string file = folder_.file("migrations/versions/second_x.py");
    const std::string text = contents(file);
    std::filesystem::remove(file);
    return text.substr(text.find("def upgrade"));
  }

  void upgrade(const std::string& url) {
    environment(true);
    run_alembic(url, {"upgrade", "head"});
  }

  [[nodiscard]] std::string file(const std::string& name) const { return folder_.file(name); }

 private:
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_.file(name)) << text;
  }
  void made_by(const std::string& revision) const {
    write("migrations/versions/" + revision + ".py",
          "revision = '" + revision +
              "'\ndown_revision = None\nfrom alembic import op\nfrom models import metadata\n"
              "def upgrade():\n    metadata.create_all(op.get_bind())\n");
  }
  void environment(bool with_recipe) const {
    std::string text = replaced(kEnvironment, "{folder!r}", "\"" + folder_.path().string() + "\"");
    text = replaced(text, "{recipe}", with_recipe ? recipe() : "");
    write("migrations/env.py",
          replaced(text, "{use}",
                   with_recipe ? "include_object=include_object, include_name=include_name" : ""));
  }
  void run_alembic(const std::string& url, const std::vector<std::string>& what) {
    std::vector<std::string> arguments{"alembic", "-c", folder_.file("alembic.ini"), "-x",
                                       "url=" + url};
    arguments.insert(arguments.end(), what.begin(), what.end());
    require_code(run(arguments), 0);
  }

  TempDir folder_;
};

}  // namespace

TEST_CASE("Alembic's autogenerate drops nothing of lockstep's with the recipe", "[system]") {
  if (run({"sh", "-c", "command -v alembic"}).status.code != 0) {
    WARN("no alembic here (ops/packages.txt): not tested");
    return;
  }
  PostgresServer server{{"fsync=off"}};
  Alembic alembic;
  const std::string file = alembic.file("app.db"), dsn = server.create_database("app");
  const std::string source = "sqlite:///" + file;
  const std::string target = "postgresql+psycopg2://postgres@/app?host=" + server.folder().string();
  alembic.upgrade(source);
  sqlite(file,
         "INSERT INTO person VALUES (1, 'ada', '2024-01-02 03:04:05.000000', 1);"
         "INSERT INTO likes VALUES (1, 'x'), (1, 'x')");
  require_code(lockstep({"run", file, dsn, "--until", "caught-up"}), 0);

  CHECK_THAT(alembic.would_do(source, false), Catch::Contains("drop_table('_lockstep_changes')"));
  CHECK_THAT(alembic.would_do(source, true), Catch::Contains("pass"));
  const std::string on_target = alembic.would_do(target, false);
  CHECK_THAT(on_target, Catch::Contains("drop_table('ledger', schema='lockstep')"));
  CHECK_THAT(on_target, Catch::Contains("drop_column('likes', '_lockstep_rowid')"));
  CHECK_THAT(alembic.would_do(target, true), Catch::Contains("pass"));
  require_equal(file, dsn);
}

}  // namespace lockstep::test
