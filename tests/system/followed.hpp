// A small source that lockstep follows into a server that is about to be mistreated.
#pragma once

#include <string>
#include <vector>

#include "tests/support/fault.hpp"
#include "tests/system/world.hpp"

namespace lockstep::test {

class Followed {
 public:
  /// Tables a(id, u unique, n) and b(k, n), with some rows. Not started yet.
  Followed(const std::string& name, std::string dsn);

  void start(const std::vector<std::string>& more = {}, ProcessOptions options = {});
  void start_and_catch_up();
  void stop();
  void write(const std::string& sql) const { sqlite(file_, sql); }
  void write_some() const;
  /// Everything written so far is on the target, and the judge that shares no code agrees.
  void caught_up();
  [[nodiscard]] nlohmann::json status(const std::vector<std::string>& more = {}) const;
  /// Waits until the status says that `code` is awaited; what it says then.
  [[nodiscard]] nlohmann::json awaits(const std::string& code);
  /// It ends by itself, naming `code` and each of `words`.
  void halts(int exit_code, const std::string& code, const std::vector<std::string>& words);

  Process& process() { return *process_; }
  [[nodiscard]] const std::string& file() const { return file_; }
  [[nodiscard]] const std::string& dsn() const { return dsn_; }
  [[nodiscard]] std::string in_folder(const std::string& name) const { return folder_.file(name); }

 private:
  TempDir folder_;
  std::string file_, dsn_;
  std::unique_ptr<Process> process_;
};

/// Lines of JSON of one type.
std::vector<nlohmann::json> objects(const Outcome& outcome, const std::string& type);

}  // namespace lockstep::test
