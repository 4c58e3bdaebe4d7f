// A census that is on record is used while nothing was written to the source, and never after.
#include <filesystem>
#include <fstream>

#include "tests/system/world.hpp"

namespace lockstep::test {
namespace {

namespace fs = std::filesystem;

/// A database of two tables, and a cache folder of its own.
class Known {
 public:
  explicit Known(const std::string& journal_mode)
      : file_(folder_.file("app.db")), cache_(folder_.file("cache")) {
    sqlite(file_,
           "PRAGMA journal_mode = " + journal_mode +
               ";CREATE TABLE a(id INTEGER PRIMARY KEY, t TEXT, n INT);"
               "CREATE TABLE b(id INTEGER PRIMARY KEY, t TEXT);"
               "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 60000)"
               "INSERT INTO a SELECT i, 't' || i, i % 7 FROM c;"
               "INSERT INTO b SELECT id, t FROM a");
  }

  /// What `assess` says; it exits with `code`.
  std::string assess(const std::vector<std::string>& more = {}, int code = 0) const {
    std::vector<std::string> arguments{"assess", file_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Outcome outcome = lockstep(arguments, {.environment = {"XDG_CACHE_HOME=" + cache_}});
    require_code(outcome, code);
    return everything(outcome);
  }
  /// Until a census is on record and used: the last write has to be some milliseconds ago.
  void on_record() const {
    REQUIRE(wait_until([&] { return is_known(assess()); }, 20s));
  }
  static bool is_known(const std::string& said) {
    return said.find("census    120,000 rows are known since") != std::string::npos;
  }
  [[nodiscard]] std::string record() const {
    for (const auto& entry : fs::directory_iterator(cache_ + "/lockstep"))
      return entry.path().string();
    return {};
  }
  void write(const std::string& sql) const { sqlite(file_, sql); }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& cache() const { return cache_; }
  [[nodiscard]] std::string in_folder(const std::string& name) const { return folder_.file(name); }

 private:
  TempDir folder_;
  std::string file_, cache_;
};

// As `cp -p`: nothing but bytes and the time of the last write.
void put_back(const std::string& from, const std::string& to) {
  const auto time = fs::last_write_time(from);
  fs::copy_file(from, to, fs::copy_options::overwrite_existing);
  fs::last_write_time(to, time);
}

}  // namespace

TEST_CASE("a census on record is of no use once anything was written", "[system]") {
  const Known source(GENERATE(as<std::string>(), "WAL", "DELETE"));
  source.on_record();
  CHECK(Known::is_known(source.assess()));  // a look leaves no trace
  CHECK((fs::status(source.record()).permissions() & fs::perms::all) ==
        (fs::perms::owner_read | fs::perms::owner_write));

  // In WAL mode the last connection copies the page back and deletes the WAL: no counter tells.
  source.write("UPDATE a SET t = CAST(x'610062' AS TEXT) WHERE id = 59999");
  const std::string refused = source.assess({}, 3);
  CHECK_FALSE(Known::is_known(refused));
  CHECK_THAT(refused, Catch::Contains("id=59999"));
  source.write("UPDATE a SET t = 't59999' WHERE id = 59999");
  CHECK_FALSE(Known::is_known(source.assess()));
  source.on_record();

  source.write("CREATE INDEX a_t ON a(t)");
  CHECK_FALSE(Known::is_known(source.assess()));
  source.on_record();

  const std::string backup = source.in_folder("backup.db");
  fs::copy_file(source.file(), backup);
  fs::last_write_time(backup, fs::last_write_time(source.file()));
  put_back(backup, source.file());
  CHECK_FALSE(Known::is_known(source.assess()));
  source.on_record();

  fs::rename(backup, source.file());
  CHECK_FALSE(Known::is_known(source.assess()));
}

TEST_CASE("a record is used for the tables that are asked for in the same way", "[system]") {
  const Known source("WAL");
  source.on_record();
  const std::string config = source.in_folder("rules.json");
  std::ofstream(config) << R"({"version": 1, "columns": {"b.t": {"type": "literal"}}})";
  const std::string said = source.assess({"--config", config});
  CHECK_THAT(said, Catch::Contains("census    60,000 rows are known"));
  CHECK_THAT(source.assess({"--sample", "10"}), !Catch::Contains("known since"));
  CHECK(nlohmann::json::parse(lockstep({"assess", source.file(), "--json"},
                                       {.environment = {"XDG_CACHE_HOME=" + source.cache()}})
                                  .output)["known_rows"] == 60'000);

  // Whoever may write the record could say anything.
  source.on_record();
  fs::permissions(source.record(), fs::perms::group_write, fs::perm_options::add);
  CHECK_FALSE(Known::is_known(source.assess()));
  fs::permissions(source.record(), fs::perms::group_write, fs::perm_options::remove);
  fs::resize_file(source.record(), fs::file_size(source.record()) - 1);
  CHECK_FALSE(Known::is_known(source.assess()));
  CHECK(Known::is_known(source.assess()));
  const Outcome nowhere =
      lockstep({"assess", source.file()}, {.environment = {"XDG_CACHE_HOME", "HOME"}});
  require_code(nowhere, 0);
  CHECK_FALSE(Known::is_known(everything(nowhere)));
}

TEST_CASE("a run needs no second census behind assess, and leaves no record", "[system]") {
  PostgresServer server{{"fsync=off"}};
  const std::string dsn = server.create_database("known");
  const Known source("WAL");
  const ProcessOptions options{.environment = {"XDG_CACHE_HOME=" + source.cache()}};
  source.on_record();
  const Outcome run = lockstep({"run", source.file(), dsn, "--until", "caught-up"}, options);
  require_code(run, 0);
  CHECK(Known::is_known(everything(run)));
  CHECK(source.record().empty());
  require_equal(source.file(), dsn);
  // One that is refused leaves what it found for the next.
  require_code(lockstep({"remove", source.file(), dsn}, options), 0);
  source.write("UPDATE b SET t = x'00' WHERE id = 5");
  REQUIRE(wait_until(
      [&] {
        const Outcome refused = lockstep({"run", source.file(), dsn}, options);
        require_code(refused, 3);
        return Known::is_known(everything(refused));
      },
      20s));
}

}  // namespace lockstep::test
