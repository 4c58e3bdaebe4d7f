// An application on an ORM whose database moves while it writes: what such tests share.
#pragma once

#include <fstream>
#include <map>

#include "tests/system/world.hpp"

namespace lockstep::test {

/// The first block of code of `language` behind `words` on a page of ops/ that users read.
inline std::string recipe(const std::string& page_name, const std::string& words,
                          const std::string& language) {
  const std::string page = contents(LOCKSTEP_SOURCE_DIR "/ops/" + page_name);
  const std::size_t place = page.find(words);
  REQUIRE(place != std::string::npos);
  const std::string fence = "```" + language + "\n";
  const std::size_t from = page.find(fence, place) + fence.size();
  return page.substr(from, page.find("```", from) - from);
}

/// With the route file of `file` in place of the page's.
inline std::string with_route(std::string code, const std::string& file) {
  constexpr char kRouteOfThePage[] = "/srv/shop/db.sqlite3-lockstep-route";
  const std::size_t route = code.find(kRouteOfThePage);
  REQUIRE(route != std::string::npos);
  return code.replace(route, sizeof kRouteOfThePage - 1, file + "-lockstep-route");
}

/// A folder with the SQLite file shop.db, a database, an application, and the lockstep between.
class OrmWorld {
 public:
  /// `program` takes WHAT and SIDE and prints JSON; `newest` selects a number that grows with each
  /// of its transactions, on either side.
  OrmWorld(std::string dsn, std::vector<std::string> program, std::string newest)
      : file_(folder_.file("shop.db")),
        dsn_(std::move(dsn)),
        program_(std::move(program)),
        newest_(std::move(newest)) {}

  nlohmann::json app(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), program_.begin(), program_.end());
    const Outcome outcome = run(std::move(arguments), options(), 2min);
    require_code(outcome, 0);
    return nlohmann::json::parse(outcome.output);
  }

  void follow(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments{"run", file_, dsn_, "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    following_ = start_lockstep(std::move(arguments));
  }
  /// With a configuration that gives these columns these types.
  void follow_with(const std::map<std::string, std::string>& types) {
    nlohmann::json columns;
    for (const auto& [column, type] : types) columns[column] = {{"type", type}};
    const std::string config = folder_.file("shop.json");
    std::ofstream(config) << nlohmann::json{{"version", 1}, {"columns", columns}};
    follow({"--config", config});
  }
  void caught_up() { require_caught_up(*following_, file_); }
  void stop() {
    following_->signal(SIGTERM);
    CHECK(following_->wait_or_throw(20s) == ExitStatus{.code = 143});
  }

  /// The application writes until write_end(), where the writers are.
  void write_begin() {
    ProcessOptions with = options();
    with.own_stdin = true;
    std::vector<std::string> command = program_;
    command.emplace_back("write");
    writer_ = std::make_unique<Process>(std::move(command), clean(std::move(with)));
  }
  /// It has written on that side meanwhile, and goes on.
  void has_written(const std::string& side, int times) const {
    const auto counted = [&] {
      return std::stoi(side == "sqlite" ? sqlite(file_, newest_).at(0)
                                        : query(dsn_, newest_).at(0).at(0).value());
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
  /// It writes so often on SQLite at least, and nowhere else.
  void write_some(int times) {
    write_begin();
    has_written("sqlite", times);
    CHECK(write_end()["postgres"] == 0);
  }

  void move(const std::string& direction) const {
    require_code(lockstep({direction, file_, "--confirm", "shop", "--json", "--max-pause", "5s",
                           "--when-ready", "--verify-max-age", "0"}),
                 0);
  }

  /// Every object of every model, through the ORM; and by lockstep. How many there are of each.
  nlohmann::json equal() {
    caught_up();
    const nlohmann::json found = app({"equal"});
    INFO(found.dump(1).substr(0, 4'000));
    CHECK(found["differences"].empty());
    require_code(lockstep({"verify", file_, dsn_}), 0);
    return found["objects"];
  }

  /// The application writes, goes to PostgreSQL while it does, and comes back; what it asks its
  /// database is answered alike all the time: so.
  nlohmann::json there_and_back() {
    nlohmann::json on_sqlite = app({"use", "sqlite"});
    for (const bool there : {true, false}) {
      const std::string from = there ? "sqlite" : "postgres", to = there ? "postgres" : "sqlite";
      write_begin();
      has_written(from, 3);
      move(there ? "cutover" : "rollback");
      has_written(to, 10);
      const nlohmann::json wrote = write_end();
      CHECK(wrote["sqlite"] > 0);
      CHECK(wrote["postgres"] > 0);
      equal();
      const nlohmann::json answers = app({"use", to});
      INFO(nlohmann::json::diff(on_sqlite, answers).dump());
      CHECK((answers == on_sqlite));
    }
    return on_sqlite;
  }

  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& dsn() const { return dsn_; }
  Process& following() { return *following_; }

 protected:
  [[nodiscard]] ProcessOptions options() const {
    ProcessOptions options{.directory = folder_.path().string()};
    for (const auto& [name, value] : environment_)
      options.environment.push_back(name + "=" + value);
    return options;
  }

  TempDir folder_;                                  // NOLINT(*-non-private-member-variables-*)
  std::map<std::string, std::string> environment_;  // NOLINT(*-non-private-member-variables-*)

 private:
  std::string file_, dsn_;
  std::vector<std::string> program_;
  std::string newest_;
  std::unique_ptr<Process> following_, writer_;
};

}  // namespace lockstep::test
