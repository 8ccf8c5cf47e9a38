// A program that mpirun or srun started several times: what is said once, and how all end.
#pragma once

#include <optional>
#include <string>

#include "train/dist/communicator.h"
#include "train/run_options.h"

namespace resgrad::cli {

/// What the launcher says in the environment of this process.
struct Launch {
  int rank = 0, size = 1;  ///< of all processes
  int here = 1;            ///< processes on this machine
};

/// Nothing unless there are several processes.
std::optional<Launch> launch();

/// The ranks of this run. The first call of several starts MPI, which a process by itself does not
/// need.
/// Throws  StateError when MPI finds other processes than the launcher says.
Communicator& ranks();

/// Waits with what all ranks may have to say, the longer the higher the rank: the first one that
/// speaks ends the others.
void wait_for_turn();

/// "rank 3 (host): ", or nothing for a process by itself.
std::string speaker();

/// Ends all ranks after an error of this one: others may wait for it. Comes back where there are no
/// others, or MPI was not started.
void end_ranks(int code);

/// Ends MPI when all ranks have come to their end.
void finish_ranks();

/// Threads that wait for each other do so in a loop, which is quick, and bad where there are more
/// of them than cores: then this starts the program anew with OMP_WAIT_POLICY=passive, unless that
/// is set. `asked`: the threads of a rank, 0: OMP_NUM_THREADS, else as many as there is room for.
/// Before the first call of ranks().
void wait_passively_if_crowded(int asked, const char* const* argv);

/// The threads of a rank: `asked`, else OMP_NUM_THREADS, else the cores that it may use over the
/// ranks that share them.
int threads_of_rank(int asked);

/// What to tell a user whose ranks are bound to one core each while others are idle; else nothing.
std::string binding_advice();

}  // namespace resgrad::cli
