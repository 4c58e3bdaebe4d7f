// Whether what a connection writes into is what others open by its path.
#pragma once

#include "link/sqlite/database.hpp"

namespace lockstep::sqlite {

/// Throws LS-S312 if the file that this connection has open was moved away, deleted or replaced:
/// what it commits there nobody may ever read. Exact at the moment of the call, and cheap. A link
/// on the way that was pointed elsewhere is not seen (FileGuard sees it).
void require_in_place(Database& database);

}  // namespace lockstep::sqlite
