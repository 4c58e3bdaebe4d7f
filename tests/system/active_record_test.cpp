// A real Rails application (ActiveRecord as Debian has it; tests/data/rails/app.rb): its database
// is followed, its migrations are, it goes to PostgreSQL and back, and every attribute of every
// object is the same through ActiveRecord on both sides.
#include <fmt/format.h>

#include <fstream>

#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

constexpr char kApplication[] = LOCKSTEP_SOURCE_DIR "/tests/data/rails/app.rb";
constexpr char kRouteOfThePage[] = "/srv/shop/db.sqlite3-lockstep-route";

PostgresServer& server() {
  static PostgresServer running;
  return running;
}

class Rails {
 public:
  explicit Rails(const std::string& name)
      : name_(name), file_(folder_.file(name + ".db")), dsn_(server().create_database(name)) {
    app("schema", file_);
    app("seed", file_);
  }

  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& dsn() const { return dsn_; }
  /// Words that the application takes apart: URLs of ActiveRecord know no folder as host.
  [[nodiscard]] std::string url() const { return fmt::format("host={} dbname={}", host(), name_); }

  std::string app(const std::string& command, const std::string& url) {
    const Outcome outcome = run({"ruby", kApplication, command, url});
    INFO(command << " " << url);
    require_code(outcome, 0);
    return outcome.output;
  }

  void follow() {
    run_ = start_lockstep({"run", file_, dsn_});
    require_caught_up(*run_, file_);
  }

  /// Through ActiveRecord, and by lockstep.
  void same(const std::string& but_for = "") {
    require_caught_up(*run_, file_);
    const auto here = shown(file_, but_for), there = shown(url(), but_for);
    INFO(nlohmann::json::diff(here, there).dump().substr(0, 2'000));
    CHECK((here == there));
    CHECK(here["objects"]["Sample"].size() >= 4);
    require_code(lockstep({"verify", file_, dsn_}), 0);
  }

  void moved(const std::string& direction) {
    require_code(
        lockstep({direction, file_, "--confirm", name_, "--max-pause", "5s", "--when-ready"}), 0);
  }

  /// A writer that goes where the page's recipe sends it.
  std::unique_ptr<Tool> switching() {
    const std::string page = contents(LOCKSTEP_SOURCE_DIR "/ops/SWITCHING.md");
    const std::string fence = "```ruby\n";
    const std::size_t from = page.find(fence, page.find("### Rails")) + fence.size();
    std::string code = page.substr(from, page.find("```", from) - from);
    const std::size_t route = code.find(kRouteOfThePage);
    REQUIRE(route != std::string::npos);
    code.replace(route, sizeof kRouteOfThePage - 1, file_ + "-lockstep-route");
    // What is database.yml in an application.
    std::ofstream(folder_.file("recipe.rb")) << fmt::format(
        "require 'active_record'\nrequire 'json'\nActiveRecord::Base.configurations = {{ "
        "'default_env' => {{ 'sqlite' => {{ 'adapter' => 'sqlite3', 'database' => '{}', 'timeout' "
        "=> 5000 }}, 'postgres' => {{ 'adapter' => 'postgresql', 'host' => '{}', 'database' => "
        "'{}', "
        "'username' => 'postgres', 'prepared_statements' => false }} }} }}\n{}",
        file_, host(), name_, code);
    return std::make_unique<Tool>(std::vector<std::string>{"ruby", "-r", folder_.file("recipe.rb"),
                                                           kApplication, "switching"});
  }

  /// Waits until there are more authors on that side than now.
  void written(Tool& writer, bool on_postgres) {
    const auto count = [&] {
      const std::string sql = "SELECT max(id) FROM authors";
      return std::stoi(on_postgres ? *query(dsn_, sql).at(0).at(0) : sqlite(file_, sql).at(0));
    };
    const int before = count();
    REQUIRE(wait_until([&] { return count() > before + 2 || !writer.running(); }, 30s, 20ms));
    REQUIRE(writer.running());
  }

  Process& run_process() { return *run_; }
  Tool writer(const std::string& where) { return Tool({"ruby", kApplication, "write", where}); }

 private:
  nlohmann::json shown(const std::string& url, const std::string& but_for) {
    auto all = nlohmann::json::parse(app("show", url));
    for (auto& sample : all["objects"]["Sample"]) sample.erase(but_for);
    return all;
  }
  [[nodiscard]] std::string host() const {
    const std::size_t from = dsn_.find('@') + 1;
    std::string host = dsn_.substr(from, dsn_.rfind('/') - from);
    for (std::size_t at = 0; (at = host.find("%2F")) != std::string::npos;)
      host.replace(at, 3, "/");
    return host;
  }

  std::string name_;
  TempDir folder_;
  std::string file_, dsn_;
  std::unique_ptr<Process> run_;
};

}  // namespace

TEST_CASE("a Rails application goes to the schema that ActiveRecord made, and back", "[system]") {
  Rails rails("rails_there");
  rails.app("schema", rails.url());
  rails.follow();
  {
    Tool writer = rails.writer(rails.file());
    rails.written(writer, true);  // what it writes to SQLite arrives
    CHECK(writer.finish()["rounds"].get<int>() >= 3);
  }
  rails.same();

  // A migration, as ops/README.md has it: first on the target, then on the source, rows in between.
  require_code(lockstep({"ddl", "hold", rails.file()}), 0);
  rails.app("migrate", rails.url());
  {
    Tool writer = rails.writer(rails.file());
    CHECK(writer.finish()["rounds"].get<int>() >= 3);
  }
  rails.app("migrate", rails.file());
  require_code(lockstep({"ddl", "accept", rails.file()}), 0);
  rails.same();
  CHECK(rails.run_process().running());
  for (const std::string& url : {rails.file(), rails.url()})
    CHECK_THAT(rails.app("dump", url), !Catch::Contains("_lockstep") &&
                                           Catch::Contains("create_table \"samples\"") &&
                                           Catch::Contains("t.text \"bio\""));

  const auto writer = rails.switching();
  rails.written(*writer, false);
  rails.moved("cutover");
  rails.written(*writer, true);
  require_code(lockstep({"verify", rails.file(), rails.dsn()}), 0);  // beside the writer
  rails.moved("rollback");
  rails.written(*writer, false);
  rails.moved("cutover");  // which believes what was proven on the way back
  rails.written(*writer, true);
  CHECK(writer->finish()["rounds"].get<int>() > 9);
  rails.same();
}

TEST_CASE("ActiveRecord lives on the schema that lockstep made", "[system]") {
  // But for TIME, which becomes text there (GUIDE.md).
  Rails rails("rails_alone");
  rails.follow();
  rails.same("a_time");
  rails.moved("cutover");
  {
    Tool writer = rails.writer(rails.url());
    rails.written(writer, false);  // what it writes to PostgreSQL comes back
    CHECK(writer.finish()["rounds"].get<int>() >= 3);
  }
  rails.same("a_time");
  CHECK_THAT(rails.app("dump", rails.url()),
             Catch::Contains("create_table \"samples\"") && !Catch::Contains("Could not dump"));
}

}  // namespace lockstep::test
