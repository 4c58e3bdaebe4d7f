// Applications on ORMs of Node.js (tests/data/orms), which npm fetches at the first run and which
// are kept in the build folder.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "tests/system/node_library.hpp"
#include "tests/system/orm_world.hpp"

namespace lockstep::test {

inline const std::filesystem::path kOrmSource = LOCKSTEP_SOURCE_DIR "/tests/data/orms";
inline const std::filesystem::path kOrmFolder = TEST_BUILD_DIR "/node_orms";

inline std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at))
    text.replace(at, what.size(), by);
  return text;
}

/// Prisma's clients for both databases, and one for tables that lockstep made, which have no enum
/// types. The CLI looks for the engine of `migrate` elsewhere than in npm; `generate` needs none.
inline void generate_clients() {
  const std::string schema = contents(kOrmSource / "schema.prisma");
  std::filesystem::create_directories(kOrmFolder / "clients");
  for (const std::string name : {"sqlite", "postgresql", "made"}) {
    std::string text = replaced(schema, "OUTPUT", name);
    text = replaced(text, "PROVIDER", name == "sqlite" ? name : "postgresql");
    if (name == "made")
      text = replaced(text, "Kind?     @default(draft)", "String?   @default(\"draft\")");
    std::ofstream(kOrmFolder / "clients" / (name + ".prisma")) << text;
    in_folder(kOrmFolder,
              {"node_modules/.bin/prisma", "generate", "--schema", "clients/" + name + ".prisma"},
              {"PRISMA_SCHEMA_ENGINE_BINARY=/bin/true", "CHECKPOINT_DISABLE=1"});
  }
  std::ofstream(kOrmFolder / "clients/schema.prisma") << schema;
}

/// Prisma 7 needs Node.js 20.19; Debian 12 has 18.
inline bool node_runs_prisma() {
  const Outcome version =
      run({"node", "-p", "process.versions.node.split('.').slice(0, 2).join(' ')"});
  require_code(version, 0);
  int major = 0, minor = 0;
  std::istringstream(version.output) >> major >> minor;
  return major > 20 || (major == 20 && minor >= 19);
}

/// better-sqlite3 is the one of node_library, of the same version; node-sqlite3 is built with the
/// system's SQLite.
inline void install_orms() {
  install_writer();
  std::filesystem::create_directories(kOrmFolder);
  const Descriptor alone = locked(kOrmFolder / "lock");
  const std::filesystem::path binary = "better-sqlite3/build/Release/better_sqlite3.node";
  const bool same =
      contents(kOrmFolder / "package-lock.json") == contents(kOrmSource / "package-lock.json") &&
      std::filesystem::exists(kOrmFolder / "node_modules" / binary);
  if (!same) {
    for (const char* name : {"package.json", "package-lock.json"})
      std::filesystem::copy_file(kOrmSource / name, kOrmFolder / name,
                                 std::filesystem::copy_options::overwrite_existing);
    in_folder(kOrmFolder, {"npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"});
    in_folder(kOrmFolder, {"npm", "run", "build-sqlite3"}, builds_natively());
    std::filesystem::create_directories((kOrmFolder / "node_modules" / binary).parent_path());
    std::filesystem::copy_file(kWriterFolder / "node_modules" / binary,
                               kOrmFolder / "node_modules" / binary);
  }
  if (node_runs_prisma() && (!same || contents(kOrmFolder / "clients/schema.prisma") !=
                                          contents(kOrmSource / "schema.prisma")))
    generate_clients();
}

/// Whose tables are made on SQLite, and filled.
class NodeShop : public OrmWorld {
 public:
  NodeShop(const PostgresServer& server, const std::string& orm, const std::string& database,
           const std::string& newest, const std::map<std::string, std::string>& more = {})
      : OrmWorld(server.dsn(database), {"node", (kOrmSource / "app.js").string(), orm}, newest) {
    environment_ = more;
    environment_["NODE_PATH"] = (kOrmFolder / "node_modules").string();
    environment_["SHOP_CLIENTS"] = (kOrmFolder / "clients").string();
    environment_["SHOP_SQLITE"] = file();
    environment_["SHOP_HOST"] = server.folder().string();
    environment_["SHOP_DATABASE"] = database;
    environment_["SHOP_RECIPE"] = folder_.file("switching.js");
    environment_["TZ"] = "Asia/Kolkata";  // UTC would hide who forgets it
    std::ofstream(folder_.file("switching.js"))
        << "const fs = require('fs');\n"
        << with_route(recipe("SWITCHING.md", "### Node", "js"), file())
        << "module.exports = { switching };\n";
    static_cast<void>(app({"schema", "sqlite"}));
    sqlite(file(), "PRAGMA journal_mode = WAL");
    static_cast<void>(app({"fill", "sqlite"}));
  }
};

}  // namespace lockstep::test
