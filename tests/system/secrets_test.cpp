// Where a secret turns up that somebody typed in a wrong place, or that nobody has to see.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "tests/support/tcp_proxy.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {

namespace {

namespace fs = std::filesystem;
constexpr char kCanary[] = "CANARY-7f3a";

bool says(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// Its owner's alone, as lockstep asks of files with secrets.
void put_file(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
}

std::string one_note(const TempDir& folder) {
  std::string file = folder.file("app.db");
  sqlite(file,
         "PRAGMA journal_mode = WAL; CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT);"
         "INSERT INTO notes VALUES (1, 'one')");
  return file;
}

}  // namespace

TEST_CASE("a password that is typed in a wrong place is in no message", "[system]") {
  const TempDir folder;
  const std::string file = one_note(folder);
  const std::string target = fmt::format("postgresql://owner:{}@nowhere.invalid/shop", kCanary);
  const std::string config = folder.file("lockstep.json"), key = folder.file("key.json"),
                    torn = folder.file("torn.json");
  put_file(config, fmt::format(R"({{"version": 1, "source": {{"sqlite": "{}"}}}})", file));
  put_file(key, fmt::format(R"({{"version": 1, "{}": 1}})", target));
  put_file(torn, R"({"version": 1, "target": {"dsn": "postgresql://owner:)" + std::string(kCanary) +
                     "\n@h/shop\"}}");
  const std::string ipc = "ipc://" + folder.file("s");
  const std::vector<std::vector<std::string>> commands{
      {"apply", "--connect", target, "dbname=x"},
      {"apply", "--connect", ipc, "--until", target},
      {"capture", file, "--listen", target},
      {"capture", file, "--listen", "tcp://*:1", "--key", target, "--allow", target},
      {"capture", target, "--listen", ipc},
      {"keys", "show", target},
      {"keys", "generate", target},
      {"status", "--config", target},
      {"status", file, "--config", key},
      {"status", file, "--config", torn},
      {"config", "validate", target},
      {"config", "validate", key},
      {"config", "show", torn},
      {"cutover", file, "dbname=x", "--confirm", target, "--yes"},
      {"rollback", file, "dbname=x", "--confirm", target},
      {"complete", file, "dbname=x", "--confirm", target},
      {"cutover", file, "dbname=x", "--max-pause", target},
      {"demo", target},
      {"demo", "--quick=" + target},
      {target},
      {"run", target + "?nonsense", file},
      {"run", "mysql" + target.substr(10), "dbname=x"},
      {"run", file, "dbname=x", "--on-bad-value", target},
      {"run", file, "dbname=x", "--guard", target},
      {"wait", file, "--for", target},
      {"wait", file, "--for", "caught-up", "--timeout", target},
      {"verify", file, "dbname=x", "--since", target},
      {"assess", file, "--html", target},
      {"assess", file, "--sample", target},
      {"route", target, "--readers", target},
      {"ddl", "status", target},
      {"ddl", target},
      {"quarantine", "show", file, target},
      {"schema", "generate", target},
      {"roles", "--app", target}};
  std::string seen;
  const auto look = [&](std::vector<std::string> command, ProcessOptions options) {
    const Outcome outcome = lockstep(command, std::move(options));
    INFO(fmt::format("{} {}: ", command[0], command.size() > 1 ? command[1] : ""));
    // CHECK would print the very secret; what is wrong is in the report.
    const std::string text = everything(outcome);
    const std::size_t at = text.find(kCanary);
    INFO(text.substr(at == std::string::npos || at < 200 ? 0 : at - 200, 400));
    CHECK(at == std::string::npos);
    CHECK_FALSE(outcome.status == ExitStatus{.code = 0});
    seen += text;
  };
  for (const auto& command : commands) {
    look(command, {});
    auto json = command;
    json.emplace_back("--json");
    look(json, {});
  }
  look({"status", file}, {.environment = {"LOCKSTEP_CONFIG=" + target}});
  look({"run", "dbname=x"}, {.environment = {"LOCKSTEP_SOURCE=" + target}});
  for (const char* code :
       {"LS-C120", "LS-C122", "LS-C130", "LS-C100", "LS-C105", "unknown argument"})
    CHECK(says(seen, code));
  for (const auto& command :
       {std::vector<std::string>{"config", "show", config}, {"config", "show", config, "--json"}}) {
    const Outcome shown = lockstep(
        command, {.environment = {"LOCKSTEP_SOURCE=" + target, "LOCKSTEP_TARGET=" + target}});
    require_code(shown, 0);
    CHECK_FALSE(says(everything(shown), kCanary));
  }
}

TEST_CASE("a secret key is in its file and nowhere else", "[system]") {
  const TempDir folder;
  const std::string file = one_note(folder);
  PostgresServer server;
  const std::string dsn = server.create_database("keys");
  const std::string one = folder.file("one"), two = folder.file("two");
  std::string seen;
  for (const std::string& name : {one, two})
    for (const char* what : {"generate", "show"})
      seen += everything(lockstep({"keys", what, name, "--json"}));
  const auto secret_in = [](const std::string& path) {
    const std::string text = contents(path);
    return text.substr(text.find("\nsecret ") + 8, 40);
  };
  const std::vector<std::string> secrets{secret_in(one), secret_in(two)};
  REQUIRE(secrets[0].size() == 40);
  const std::string at = fmt::format("tcp://127.0.0.1:{}", free_port());
  const auto capture =
      start_lockstep({"capture", file, "--listen", at, "--key", one, "--allow", two + ".pub"});
  const auto apply =
      start_lockstep({"apply", "--connect", at, "--key", two, "--server-key", one + ".pub", dsn});
  REQUIRE(wait_until(
      [&] {
        return lockstep({"wait", dsn, "--for", "caught-up"}).status.code == 0;
      },
      30s));
  seen += contents(file + "-lockstep");
  seen += everything(lockstep({"status", file, "--json"}));
  seen += everything(lockstep({"status", file}));
  for (const auto* process : {&capture, &apply}) {
    seen += contents(fmt::format("/proc/{}/cmdline", (*process)->pid()));
    (*process)->signal(SIGTERM);
    CHECK((*process)->wait_or_throw(20s) == ExitStatus{.code = 143});
    seen += (*process)->output() + (*process)->error_output();
  }
  // A secret where a public key belongs, and a file that is none.
  const std::string wrong = folder.file("wrong.pub"), torn = folder.file("torn");
  put_file(wrong, contents(one));
  put_file(torn, contents(one) + "secret " + secrets[1].substr(0, 39) + "\n");
  for (const std::string& path : {wrong, torn, one + ".pub"})
    seen += everything(lockstep({"keys", "show", path}));
  seen += everything(lockstep({"capture", file, "--listen", at, "--key", one, "--allow", wrong}));
  seen += everything(lockstep({"capture", file, "--listen", at, "--key", torn, "--allow", wrong}));
  REQUIRE(says(seen, "fingerprint"));
  REQUIRE(says(seen, "LS-C122"));
  for (const std::string& secret : secrets) CHECK_FALSE(says(seen, secret.substr(0, 39)));
  for (const auto& entry : fs::recursive_directory_iterator(folder.path()))
    if (entry.is_regular_file() && entry.path() != one && entry.path() != two &&
        entry.path() != wrong && entry.path() != torn)
      for (const std::string& secret : secrets)
        CHECK_FALSE(says(contents(entry.path()), secret.substr(0, 39)));
}

}  // namespace lockstep::test
