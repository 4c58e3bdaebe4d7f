// The SQL of least-privilege roles. Pure.
#pragma once

#include <string>

namespace lockstep::ops {

struct RoleNames {
  std::string owner = "lockstep_owner";    ///< owns both schemas; cannot log in
  std::string apply = "lockstep_apply";    ///< `run`, `apply`, `remove`; owns the copied tables
  std::string verify = "lockstep_verify";  ///< `verify`, `status`: reads only
  std::string app;                         ///< the application: reads the copied tables
};

/// One transaction that an administrator of `database` runs there, once or again: makes the roles
/// that are missing and both schemas, grants what lockstep needs and no more, and fails if a role
/// of ours can do more than it should. Without passwords. Throws LS-C100 for names that cannot be,
/// or that are given twice.
[[nodiscard]] std::string roles_sql(const RoleNames& roles, const std::string& database,
                                    const std::string& schema);

}  // namespace lockstep::ops
