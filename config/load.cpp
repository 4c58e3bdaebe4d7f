#include "config/load.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "config/line_index.hpp"
#include "config/rules.hpp"
#include "config/schema_text.hpp"
#include "config/validate.hpp"
#include "model/error.hpp"

namespace lockstep::config {

namespace {

using nlohmann::json;

constexpr std::size_t kFileBytesMax = 4u << 20;
constexpr int kDepthMax = 64;

[[noreturn]] void throw_unreadable(const std::string& path, const std::string& why) {
  throw Error({.code = "LS-C130",
               .exit = ExitCode::usage,
               .what = fmt::format("the configuration file {} cannot be read", path),
               .why = why,
               .data = "nothing was touched",
               .todo = "check the path given with --config"});
}

std::string first_line_of(const std::string& path, std::string& problem) {
  std::ifstream file(path);
  std::string line;
  if (!file) problem = fmt::format("{} cannot be read", path);
  std::getline(file, line);
  return line;
}

// ${env:NAME}, ${env:NAME:-default}, ${file:/path} (its first line), $$ for $. Once: what comes in
// is not looked at again.
std::string expanded(const std::string& text, const Variable& variable, std::string& problem) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (text.compare(at, 2, "$$") == 0) {
      out += '$';
      at += 2;
      continue;
    }
    if (text.compare(at, 2, "${") != 0) {
      out += text[at++];
      continue;
    }
    const std::size_t end = text.find('}', at);
    const std::string inside = text.substr(at + 2, end == std::string::npos ? end : end - at - 2);
    if (end == std::string::npos) {
      problem = "${ is never closed";
      return {};
    }
    at = end + 1;
    if (inside.starts_with("env:")) {
      const std::size_t dash = inside.find(":-", 4);
      const std::string name = inside.substr(4, dash == std::string::npos ? dash : dash - 4);
      if (const auto value = variable(name))
        out += *value;
      else if (dash != std::string::npos)
        out += inside.substr(dash + 2);
      else
        problem = fmt::format("the environment has no {}", name);
    } else if (inside.starts_with("file:")) {
      out += first_line_of(inside.substr(5), problem);
    } else {
      problem = fmt::format("${{{}}} is neither ${{env:NAME}} nor ${{file:/path}}", inside);
    }
  }
  return out;
}

bool is_day(const std::string& text) {
  const auto number = [&](std::size_t at, std::size_t digits) {
    return static_cast<unsigned>(std::stoul(text.substr(at, digits)));
  };
  return std::chrono::year_month_day(std::chrono::year(static_cast<int>(number(0, 4))),
                                     std::chrono::month(number(5, 2)),
                                     std::chrono::day(number(8, 2)))
      .ok();
}

class Reader {
 public:
  Reader(const json& document, Loaded& loaded, const Variable& variable)
      : document_(document), loaded_(loaded), variable_(variable) {}

  void read() {
    Settings& settings = loaded_.settings;
    text("/source/sqlite", settings.source);
    text("/target/dsn", settings.target);
    text("/target/schema", settings.schema);
    text("/target/guard", settings.guard);
    list("/tables/include", settings.include);
    list("/tables/exclude", settings.exclude);
    expectations();
    dual_writes();
    hooks("/hooks/after_schema", settings.after_schema);
    hooks("/hooks/after_snapshot", settings.after_snapshot);
    settings.rules = read_rules(document_, loaded_.lines, loaded_.problems);
    text("/snapshot/on_existing_row", settings.on_existing_row);
    text("/on_bad_value", settings.on_bad_value);
    columns();
    verify();
    validators();
    waivers();
    a_switch("/cutover", settings.cutover);
    a_switch("/rollback", settings.rollback);
    text("/hooks_dir", settings.hooks_dir);
    const json::json_pointer dsn("/target/dsn");
    loaded_.target_written_out =
        document_.contains(dsn) &&
        document_[dsn].get_ref<const std::string&>().find("${") == std::string::npos;
  }

 private:
  void expand(const std::string& path, const json& value, std::string& out) {
    std::string problem;
    out = expanded(value.get<std::string>(), variable_, problem);
    if (!problem.empty()) loaded_.problems.push_back({path, loaded_.lines[path], problem, ""});
  }
  void text(const std::string& path, std::string& out) {
    const json::json_pointer pointer(path);
    if (document_.contains(pointer)) expand(path, document_[pointer], out);
  }
  void list(const std::string& path, std::vector<std::string>& out) {
    const json::json_pointer pointer(path);
    if (!document_.contains(pointer)) return;
    for (const json& glob : document_[pointer])
      expand(pointer_to(path, std::to_string(out.size())), glob, out.emplace_back());
  }
  void hooks(const std::string& path, std::vector<HookEntry>& out) {
    const json::json_pointer pointer(path);
    if (!document_.contains(pointer)) return;
    for (const json& entry : document_[pointer])
      out.push_back(entry.is_string() ? HookEntry{entry.get<std::string>(), ""}
                                      : HookEntry{"", entry["file"].get<std::string>()});
  }
  void expectations() {
    const json::json_pointer pointer("/tables/expect");
    if (!document_.contains(pointer)) return;
    for (const json& given : document_[pointer]) {
      ExpectedTable expected;
      expected.table = (given.is_string() ? given : given["table"]).get<std::string>();
      if (given.is_object() && given.contains("rows_min")) expected.rows_min = given["rows_min"];
      if (given.is_object() && given.contains("rows_max")) expected.rows_max = given["rows_max"];
      loaded_.settings.expect.push_back(std::move(expected));
    }
  }

  void dual_writes() {
    const json::json_pointer pointer("/tables/dual_write");
    if (!document_.contains(pointer)) return;
    for (const auto& [table, policy] : document_[pointer].items())
      loaded_.settings.dual_write.push_back({table, policy.get<std::string>()});
  }

  void columns() {
    if (!document_.contains("columns")) return;
    for (const auto& [name, column] : document_["columns"].items())
      loaded_.settings.columns.push_back(
          {name, column.value("on_bad_value", ""), column.value("pii", false)});
  }

  void validators() {
    const json::json_pointer pointer("/verify/validators");
    if (!document_.contains(pointer)) return;
    std::set<std::string> names;
    for (const json& given : document_[pointer]) {
      const std::string path =
          pointer_to("/verify/validators", std::to_string(loaded_.settings.validators.size()));
      Validator validator{given["name"], given["source"], given["target"], "equal"};
      const json expect = given.value("expect", json("equal"));
      validator.expect = expect.is_string()
                             ? expect.get<std::string>()
                             : fmt::format("within {}%", expect["within_percent"].get<double>());
      if (!names.insert(validator.name).second)
        problem(pointer_to(path, "name"), "another validator has this name");
      loaded_.settings.validators.push_back(std::move(validator));
    }
  }

  void waivers() {
    if (!document_.contains("waivers")) return;
    for (const json& given : document_["waivers"]) {
      Waiver waiver{given["check"],  given["table"], given.value("max_rows", std::uint64_t{1}),
                    given["reason"], given["by"],    given["until"]};
      if (!is_day(waiver.until))
        problem(pointer_to(pointer_to("/waivers", std::to_string(loaded_.settings.waivers.size())),
                           "until"),
                "there is no such day");
      loaded_.settings.waivers.push_back(std::move(waiver));
    }
  }

  void a_switch(const std::string& path, SwitchSetting& setting) {
    text(path + "/max_pause", setting.max_pause);
    text(path + "/max_lag", setting.max_lag);
    text(path + "/verify_max_age", setting.verify_max_age);
    const json::json_pointer pointer(path + "/gates");
    if (!document_.contains(pointer)) return;
    for (const json& given : document_[pointer]) {
      const std::string at = pointer_to(path + "/gates", std::to_string(setting.gates.size()));
      GateSetting gate{given["name"],
                       {},
                       given.value("source_sql", ""),
                       given.value("target_sql", ""),
                       given.value("expect", "true")};
      if (given.contains("command"))
        gate.command = given["command"].is_string()
                           ? std::vector<std::string>{"/bin/sh", "-c", given["command"]}
                           : given["command"].get<std::vector<std::string>>();
      if (given.contains("command") + given.contains("source_sql") + given.contains("target_sql") !=
          1)
        problem(at, "a gate has one of command, source_sql and target_sql");
      if (given.contains("command") && given.contains("expect"))
        problem(pointer_to(at, "expect"), "a command is expected to exit with 0");
      setting.gates.push_back(std::move(gate));
    }
  }

  void problem(const std::string& path, std::string what) {
    loaded_.problems.push_back({path, loaded_.lines[path], std::move(what), ""});
  }

  void verify() {
    VerifySetting& verify = loaded_.settings.verify;
    text("/verify/every", verify.every);
    text("/verify/pause_when_lag", verify.pause_when_lag);
    if (!document_.contains("verify")) return;
    const json& given = document_["verify"];
    if (given.contains("continuous")) verify.continuous = given["continuous"];
    if (given.contains("rows_per_second")) verify.rows_per_second = given["rows_per_second"];
    if (given.contains("cpu_share")) verify.cpu_share = given["cpu_share"];
  }

  const json& document_;
  Loaded& loaded_;
  const Variable& variable_;
};

// nlohmann's own text begins with its name for the error and tells the byte. What it read last is
// no part of ours: it may be the first half of a password.
std::string own_words(const std::string& what) {
  const std::size_t colon = what.find(": ");
  const std::string words = colon == std::string::npos ? what : what.substr(colon + 2);
  return words.substr(0, words.find("; last read"));
}

std::optional<json> parse(std::string_view text, std::vector<Problem>& problems) {
  bool too_deep = false;
  const json::parser_callback_t watch = [&](int depth, json::parse_event_t, json&) {
    too_deep = too_deep || depth > kDepthMax;
    return !too_deep;
  };
  try {
    json document = json::parse(text, watch, true, true);
    if (!too_deep) return document;
    problems.push_back({"", 1, "this is nested too deeply", ""});
  } catch (const json::parse_error& error) {
    problems.push_back({"", line_of(text, error.byte == 0 ? 0 : error.byte - 1),
                        "this is no JSON: " + own_words(error.what()),
                        "only // and /* */ comments are allowed beside JSON; no comma after the "
                        "last member"});
  } catch (const json::out_of_range& error) {  // it names the number, but not its place
    const std::string_view what = error.what();
    const std::string words(what.substr(std::min(what.size(), what.find("] ") + 2)));
    const std::size_t quote = words.find('\'');
    const std::size_t at = quote == std::string::npos
                               ? std::string_view::npos
                               : text.find(words.substr(quote + 1, words.rfind('\'') - quote - 1));
    problems.push_back({"", line_of(text, at == std::string_view::npos ? 0 : at), words,
                        "a number has to fit into a double"});
  }
  return std::nullopt;
}

}  // namespace

std::string_view schema_text() {
  return kSchemaText;
}

Loaded load_text(std::string_view text, const Variable& variable) {
  Loaded loaded;
  const std::optional<json> document = parse(text, loaded.problems);
  if (!document) return loaded;
  LineIndex index = index_lines(text);
  loaded.lines = std::move(index.lines);
  for (const std::string& path : index.repeated)
    loaded.problems.push_back({path, loaded.lines[path], "this key is there twice", "keep one"});
  for (Mistake& mistake : mistakes_in(*document, json::parse(schema_text())))
    loaded.problems.push_back({mistake.path, loaded.lines[mistake.path], std::move(mistake.what),
                               std::move(mistake.todo)});
  if (loaded.problems.empty()) Reader(*document, loaded, variable).read();
  std::stable_sort(loaded.problems.begin(), loaded.problems.end(),
                   [](const Problem& a, const Problem& b) { return a.line < b.line; });
  return loaded;
}

Loaded load_file(const std::string& path) {
  struct stat about {};
  if (::stat(path.c_str(), &about) != 0) throw_unreadable(path, "there is no such file");
  if (!S_ISREG(about.st_mode)) throw_unreadable(path, "it is no regular file");
  const bool foreign = about.st_uid != ::geteuid() && about.st_uid != 0;
  if (foreign || (about.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    throw Error(
        {.code = "LS-C131",
         .exit = ExitCode::precondition,
         .what = fmt::format("others could have written the configuration file {}", path),
         .why = foreign ? std::string("it belongs to another user")
                        : fmt::format("its mode is {:04o}", about.st_mode & 07777u),
         .data = "nothing was touched",
         .todo = fmt::format("look at it, then chown it to yourself and chmod go-w {}", path)});
  if (about.st_size > static_cast<off_t>(kFileBytesMax))
    throw_unreadable(path, "it is larger than 4 MiB");
  std::ifstream file(path, std::ios::binary);
  if (!file) throw_unreadable(path, "the right to read it is missing");
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  Loaded loaded = load_text(text, [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value != nullptr ? std::optional<std::string>(value) : std::nullopt;
  });
  loaded.folder = std::filesystem::absolute(path).parent_path().string();
  loaded.others_can_read = (about.st_mode & (S_IRGRP | S_IROTH)) != 0;
  return loaded;
}

void throw_problems(const std::string& name, const std::vector<Problem>& problems) {
  check(!problems.empty(), "only a file with problems is refused");
  std::string why;
  for (const Problem& problem : problems)
    why += fmt::format("{}{}:{}: {}: {}{}", why.empty() ? "" : "\n         ", name, problem.line,
                       problem.path.empty() ? "/" : problem.path, problem.what,
                       problem.todo.empty() ? "" : " (" + problem.todo + ")");
  throw Error({.code = "LS-C130",
               .exit = ExitCode::usage,
               .what = fmt::format("the configuration file {} has {} mistake{}", name,
                                   problems.size(), problems.size() == 1 ? "" : "s"),
               .why = why,
               .data = "nothing was touched",
               .todo = fmt::format("correct it, then: lockstep config validate {}", name)});
}

}  // namespace lockstep::config
