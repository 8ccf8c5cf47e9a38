// Ranks that MPI connects. Its C interface is used, in one source file; a build without it has no
// such ranks.
#pragma once

#include <memory>

#include "train/dist/communicator.h"

namespace resgrad {

/// Whether this build can do it.
bool has_mpi();

/// Starts MPI and gives the communicator of all processes of the job; its end ends MPI, for which
/// all ranks wait. Once in a process. All calls come from the thread that made it
/// (MPI_THREAD_FUNNELED). What fails within MPI ends all ranks.
/// Throws  StateError in a build without MPI, and where MPI does not allow threads beside that one.
std::unique_ptr<Communicator> start_mpi();

}  // namespace resgrad
