// Ranks that are threads of the test, so that what ranks do together can be tested without MPI.
#pragma once

#include <algorithm>
#include <barrier>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "train/dist/communicator.h"

namespace resgrad {

class ThreadRanks {
 public:
  /// Calls f(communicator) for each of n ranks, in a thread of its own. Rethrows what the first of
  /// them threw; all must throw then, since others wait for one that does not go on.
  static void run(int n, const std::function<void(Communicator&)>& f) {
    ThreadRanks hub(n);
    std::vector<std::exception_ptr> errors(static_cast<std::size_t>(n));
    {
      std::vector<std::jthread> threads;
      for (int r = 0; r < n; ++r) {
        threads.emplace_back([&hub, &f, &error = errors[static_cast<std::size_t>(r)], r] {
          Rank rank(hub, r);
          try {
            f(rank);
          } catch (...) {
            error = std::current_exception();
          }
        });
      }
    }
    for (const std::exception_ptr& error : errors) {
      if (error) std::rethrow_exception(error);
    }
  }

 private:
  explicit ThreadRanks(int n) : size_(n), together_(n), texts_(static_cast<std::size_t>(n)) {}

  struct Post {
    std::vector<std::byte> bytes;
    std::vector<std::int64_t> to;  // empty: all of it to everybody
  };

  class Rank final : public Communicator {
   public:
    Rank(ThreadRanks& hub, int rank) : Communicator(rank, hub.size_), hub_(hub) {}

    std::vector<std::string> all(const std::string& own) override {
      hub_.texts_[static_cast<std::size_t>(rank())] = own;
      hub_.together_.arrive_and_wait();
      std::vector<std::string> texts = hub_.texts_;
      hub_.together_.arrive_and_wait();
      return texts;
    }
    void sum(std::span<double> values) override { add_up(values); }
    void sum(std::span<std::int64_t> values) override { add_up(values); }
    std::int64_t max(std::int64_t own) override {
      std::int64_t most = own;
      for (const std::string& text : all(std::to_string(own)))
        most = std::max<std::int64_t>(most, std::stoll(text));
      return most;
    }
    std::unique_ptr<Transfer> exchange(const std::byte* send, std::span<const std::int64_t> to,
                                       std::byte* received,
                                       std::span<const std::int64_t> from) override {
      return post('x', exchanges_++, send, {to.begin(), to.end()}, sum_of(to), received, from);
    }
    std::unique_ptr<Transfer> collect(const std::byte* send, std::byte* received,
                                      std::span<const std::int64_t> from) override {
      return post('c', collects_++, send, {}, from[static_cast<std::size_t>(rank())], received,
                  from);
    }

   private:
    struct Waiting final : Transfer {
      bool done() override { return finished = finished || try_to_finish(); }
      std::function<bool()> try_to_finish;
      bool finished = false;
    };

    static std::int64_t sum_of(std::span<const std::int64_t> values) {
      std::int64_t sum = 0;
      for (const std::int64_t value : values) sum += value;
      return sum;
    }

    template <class T>
    void add_up(std::span<T> values) {
      const std::string own(reinterpret_cast<const char*>(values.data()), values.size_bytes());
      std::ranges::fill(values, T{});
      for (const std::string& text : all(own)) {
        for (std::size_t i = 0; i < values.size(); ++i) {
          T value{};
          std::memcpy(&value, text.data() + i * sizeof(T), sizeof(T));
          values[i] += value;
        }
      }
    }

    std::unique_ptr<Transfer> post(char kind, int number, const std::byte* send,
                                   std::vector<std::int64_t> to, std::int64_t bytes,
                                   std::byte* received, std::span<const std::int64_t> from) {
      {
        const std::lock_guard lock(hub_.mutex_);
        hub_.posts_[{kind, number}].emplace(rank(), Post{{send, send + bytes}, std::move(to)});
      }
      auto transfer = std::make_unique<Waiting>();
      transfer->try_to_finish = [this, kind, number, received,
                                 from = std::vector(from.begin(), from.end())] {
        const std::lock_guard lock(hub_.mutex_);
        const std::map<int, Post>& posts = hub_.posts_[{kind, number}];
        if (std::ssize(posts) < size()) return false;
        std::byte* out = received;
        for (const auto& [sender, sent] : posts) {
          const auto own = static_cast<std::size_t>(rank());
          const std::int64_t begin = sent.to.empty() ? 0 : sum_of(std::span(sent.to).first(own));
          const std::int64_t n = from[static_cast<std::size_t>(sender)];
          out = std::copy_n(sent.bytes.begin() + begin, n, out);
        }
        return true;
      };
      return transfer;
    }

    ThreadRanks& hub_;
    int exchanges_ = 0, collects_ = 0;
  };

  int size_;
  std::barrier<> together_;
  std::vector<std::string> texts_;
  std::mutex mutex_;
  std::map<std::pair<char, int>, std::map<int, Post>> posts_;
};

}  // namespace resgrad
