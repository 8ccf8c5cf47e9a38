// Learning rate schedules: pure functions of the step, so a resumed run needs no state of theirs.
// They are built on nothing. There are no restarts and no schedules that look at the loss.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace resgrad {

/// Settings of all schedules; each reads those that its formula names.
struct ScheduleOptions {
  std::string name = "constant";  ///< one of schedule_names()
  double base_lr = 0.1;
  double base_momentum = 0.9;
  std::int64_t total_steps = 0;      ///< of the whole run, warm-up included
  std::int64_t steps_per_epoch = 1;  ///< epochs are converted to steps by it
  double gamma = 0.1;                ///< step, multistep: factor of each drop
  std::int64_t step_size_epochs = 30;
  std::vector<std::int64_t> milestones = {};  ///< ascending, in epochs
  bool milestones_in_iterations = false;      ///< milestones count steps instead

  double warmup_epochs = 0;              ///< fractions allowed; 0: none
  std::string warmup_method = "linear";  ///< linear or constant
  double warmup_factor = 0.01;           ///< share of base_lr at the first step, in [0, 1]

  double min_lr = 0;  ///< cosine: the value that is approached at the end
  // onecycle, triangular
  double rise_share = 0.3;       ///< share of the steps that go up, in [0, 1)
  double start_factor = 0.04;    ///< first value / base_lr
  double end_factor = 4e-6;      ///< last value / base_lr
  double momentum_cycle = 0.05;  ///< onecycle: how far the momentum goes from base_momentum
};

std::vector<std::string> schedule_names();
std::vector<std::string> warmup_method_names();

/// Throws  ValueError when a setting is out of its range or a name is unknown (known ones listed).
void validate(const ScheduleOptions& options);

/// The learning rate of step t = 0, 1, .., T - 1 with T = total_steps; later steps keep the last
/// value. With e = floor(t / steps_per_epoch) and W = round(warmup_epochs * steps_per_epoch):
///   constant   base_lr
///   step       base_lr * gamma^floor(e / step_size_epochs)
///   multistep  base_lr * gamma^(number of milestones <= e, or <= t when they count iterations)
///   cosine     min_lr + (base_lr - min_lr) * (1 + cos(pi * (t - W) / (T - W))) / 2 from t = W on,
///              base_lr before
///   onecycle   with u = rise_share * T - 1 and cos interpolation from a to b,
///              a + (b - a) * (1 - cos(pi * share)) / 2: from base_lr * start_factor up to base_lr
///              at t = u, then down to base_lr * end_factor at t = T - 1
///   triangular with u = rise_share * T, on straight lines: from base_lr * start_factor up to
///              base_lr at t = u, then down to base_lr * end_factor at t = T
/// During the warm-up, t < W, this is multiplied by
///   linear     warmup_factor + (1 - warmup_factor) * t / W
///   constant   warmup_factor
/// onecycle and triangular have a warm-up of their own and take no other. Milestones and step sizes
/// count from the start of training, as papers give them.
/// Throws  ValueError as validate(), or when step is negative.
/// Source  cosine: Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5, without restarts.
///         onecycle: Smith & Topin 2018, arXiv:1708.07120, in the two phases of PyTorch's
///         OneCycleLR, with its defaults. triangular: Jordan 2024, arXiv:2404.00498, listing 4
///         (factors 0.2 and 0, a rise of 0.2 or so). Warm-up: He et al. 2015, arXiv:1512.03385,
///         section 4.2 (constant 0.01 for 400 iterations); Goyal et al. 2017, arXiv:1706.02677
///         (linear).
/// Differs  torchvision's scripts start counting the schedule after the warm-up; and PyTorch's
///         CosineAnnealingLR goes up again beyond T.
double learning_rate(const ScheduleOptions& options, std::int64_t step);

/// The momentum of step t: base_momentum, but for onecycle, where it mirrors the learning rate:
/// from base_momentum + momentum_cycle down to base_momentum - momentum_cycle while the rate rises,
/// and back, with the same interpolation. High rates thus meet low momentum.
/// Throws  ValueError as learning_rate().
/// Source  Smith & Topin 2018, section 3; 0.85 to 0.95 as in PyTorch's OneCycleLR.
double momentum(const ScheduleOptions& options, std::int64_t step);

}  // namespace resgrad
