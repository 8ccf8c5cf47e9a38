#include "train/trial.h"

#include "train/make_optimizer.h"
#include "train/run_data.h"

namespace resgrad {

Trial::Trial(Module& net, const data::DataSplits& data, const RunOptions& options)
    : data_(options.overfit_batch ? first_update_only(data, options) : data),
      options_(options),
      loader_(data_.train, train_loader_options(data_, options)),
      length_(run_length(loader_.batches(), data_.train->size(), options)),
      state_(net, options, {}, length_, data_.train->size(), {}, [](std::string_view) {}),
      schedule_(make_schedule(options, length_.steps_per_epoch)) {
  if (!net.is_training()) net.train();
}

StepValues Trial::step() {
  return update(learning_rate(schedule_, state_.step()), momentum(schedule_, state_.step()));
}

StepValues Trial::step(double lr) {
  return update(lr, momentum(schedule_, 0));
}

StepValues Trial::update(double lr, double momentum) {
  if (left_in_epoch_ == 0) {
    waited_ += loader_.wait_seconds();
    loader_.start_epoch(options_.overfit_batch ? 0 : epochs_begun_);
    ++epochs_begun_;
    left_in_epoch_ = length_.steps_per_epoch;
  }
  --left_in_epoch_;
  state_.optimizer->set_lr(lr);
  state_.optimizer->set_momentum(momentum);
  return state_.update(images_per_update(data_.train->size(), options_),
                       [this] { return loader_.next().value(); });
}

}  // namespace resgrad
