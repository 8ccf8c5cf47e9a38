#include "train/cli/ranks.h"

#include <omp.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bitset>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "core/check.h"
#include "core/parallel.h"
#include "core/text.h"
#include "train/dist/mpi.h"

namespace resgrad::cli {
namespace {

std::unique_ptr<Communicator> communicator;  // once MPI was started

std::optional<int> number_in_environment(const char* name) {
  const char* const text = std::getenv(name);
  return text == nullptr ? std::nullopt : number_in<int>(text);
}

std::string host() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

constexpr std::size_t kMostCores = 1024;  // of cpu_set_t
using Cores = std::bitset<kMostCores>;

// Those that this process may use.
Cores own_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  Cores cores;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return cores;
  for (std::size_t i = 0; i < kMostCores; ++i) cores[i] = CPU_ISSET(i, &set);
  return cores;
}

// The cores of each rank on this machine, in the order of the ranks.
std::vector<Cores> cores_here() {
  const std::string name = host() + '/';
  std::vector<Cores> here;
  for (const std::string& text : ranks().all(name + own_cores().to_string())) {
    if (text.starts_with(name)) here.emplace_back(text.substr(name.size()));
  }
  return here;
}

}  // namespace

std::optional<Launch> launch() {
  struct Variables {  // of Open MPI, MPICH and Slurm's PMI-2, Slurm's PMIx
    const char *rank, *size, *here;
  };
  for (const Variables& v :
       {Variables{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"},
        Variables{"PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS"},
        Variables{"PMIX_RANK", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_TASKS_PER_NODE"}}) {
    const auto rank = number_in_environment(v.rank), size = number_in_environment(v.size);
    if (!rank || !size) continue;
    if (*size <= 1) return std::nullopt;
    return Launch{*rank, *size, number_in_environment(v.here).value_or(1)};
  }
  return std::nullopt;
}

Communicator& ranks() {
  const std::optional<Launch> launched = launch();
  if (!launched) return Communicator::alone();
  if (!communicator) {
    communicator = start_mpi();
    require<StateError>(communicator->size() == launched->size,
                        "mpi: expected the {} processes that were started, got {}: mpirun and this "
                        "program are of different kinds of MPI",
                        launched->size, communicator->size());
  }
  return *communicator;
}

void wait_for_turn() {
  constexpr double kFirst = 1, kBetween = 0.1, kLongest = 2;  // seconds
  const auto launched = launch();
  if (!launched || launched->rank == 0) return;
  const double between = std::min(kBetween, kLongest / launched->size);
  std::this_thread::sleep_for(std::chrono::duration<double>(kFirst + launched->rank * between));
}

std::string speaker() {
  const auto launched = launch();
  return launched ? fmt::format("rank {} ({}): ", launched->rank, host()) : "";
}

void end_ranks(int code) {
  if (communicator) communicator->end_all(code);
}

void finish_ranks() {
  communicator.reset();
}

void wait_passively_if_crowded(int asked, const char* const* argv) {
  const auto launched = launch();
  const int threads = asked > 0 ? asked : number_in_environment("OMP_NUM_THREADS").value_or(1);
  if (!launched || threads <= 1 || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  const auto cores = static_cast<std::int64_t>(own_cores().count());
  const bool bound = cores < ::sysconf(_SC_NPROCESSORS_ONLN);
  if (std::int64_t{threads} * (bound ? 1 : launched->here) <= cores) return;
  ::setenv("OMP_WAIT_POLICY", "passive", 1);
  ::execv("/proc/self/exe", const_cast<char* const*>(argv));
  // where that is not possible, it only takes longer
}

int threads_of_rank(int asked) {
  if (asked > 0 || ranks().size() == 1 || std::getenv("OMP_NUM_THREADS") != nullptr) return asked;
  const Cores own = own_cores();
  const auto sharing = std::ranges::count_if(
      cores_here(), [&own](const Cores& other) { return (own & other).any(); });
  return std::max(1, static_cast<int>(static_cast<std::ptrdiff_t>(own.count()) / sharing));
}

std::string binding_advice() {
  const std::vector<Cores> here = cores_here();
  Cores used;
  for (const Cores& cores : here) used |= cores;
  const auto all = static_cast<std::size_t>(::sysconf(_SC_NPROCESSORS_ONLN));
  if (own_cores().count() != 1 || used.count() >= all) return "";
  return fmt::format(
      "this rank may use one core, and {} of the {} cores of {} are left idle: mpirun binds ranks; "
      "--map-by slot:PE={} gives each of the {} here some of them, --bind-to none all",
      all - used.count(), all, host(), all / here.size(), here.size());
}

}  // namespace resgrad::cli
