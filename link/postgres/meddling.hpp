// Does anything of somebody else stand on a table that can change what a statement does to its
// rows?
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "link/postgres/connection.hpp"

namespace lockstep::postgres {

/// A table as its name resolved when it was looked up. 0: there was none.
struct Relation {
  std::uint32_t oid = 0;
  std::string name;
};

/// One per name, in their order. One round trip.
[[nodiscard]] std::vector<Relation> find_relations(Connection& connection,
                                                   const std::string& schema,
                                                   const std::vector<std::string>& names);

/// One statement for behind the writes of a transaction: it fails (kMeddled) and names what stands
/// on one of the relations, or on a partition of one: a trigger that fires in this session and is
/// not ours, a foreign key that acts by itself, a rule; or the name means another table by now.
/// What is told holds from the first write to the COMMIT: a write locks its table against all of
/// these, in either direction, until the transaction ends. Row level security needs no look:
/// row_security = off makes it an error. `silent`: the session says session_replication_role.
[[nodiscard]] std::string meddling_sql(bool silent);

/// Its parameters; views() live as long as it does.
class MeddlingParameters {
 public:
  MeddlingParameters(std::string schema, const std::vector<Relation>& relations);
  [[nodiscard]] std::vector<BinaryParameter> views() const { return {oids_, names_, schema_}; }

 private:
  std::string oids_, names_, schema_;
};

constexpr char kMeddled[] = "22P02";

/// LS-T255 (Retry::same_session) for an error of that statement.
[[nodiscard]] Error meddled(const Error& cause);

/// The statement by itself, in the caller's transaction. Throws LS-T255.
void check_unmeddled(Connection& connection, const std::string& schema,
                     const std::vector<Relation>& relations, bool silent);

}  // namespace lockstep::postgres
