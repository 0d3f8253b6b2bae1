// SPDX-FileCopyrightText: The ketseal authors
// SPDX-License-Identifier: Apache-2.0

// qsim as a peer of bench_simulate. FILE is a circuit in qsim's own format (qsim.py makes it from
// OpenQASM). Each line of standard input is one run from |0...0>; the answer is its seconds, and
// those of the CPU.
//
//   g++ -O3 -march=native -fopenmp -std=c++17 -I QSIM bench/peers/qsim.cc -o qsim-peer
//   qsim-peer FILE THREADS FUSED

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "lib/circuit_qsim_parser.h"
#include "lib/formux.h"
#include "lib/fuser_mqubit.h"
#include "lib/io_file.h"
#include "lib/operation.h"
#include "lib/run_qsim.h"
#include "lib/simmux.h"
#include "lib/util_cpu.h"

namespace
{

struct Factory {
    using Simulator = qsim::Simulator<qsim::For>;
    using StateSpace = Simulator::StateSpace;

    StateSpace CreateStateSpace() const
    {
        return StateSpace(threads);
    }

    Simulator CreateSimulator() const
    {
        return Simulator(threads);
    }

    unsigned threads;
};

} // namespace

int main(int argc, char **argv)
{
    using Runner = qsim::QSimRunner<qsim::IO, qsim::MultiQubitGateFuser<qsim::IO>, Factory>;

    if (argc != 4) {
        std::fprintf(stderr, "usage: qsim-peer FILE THREADS FUSED\n");
        return 2;
    }
    const Factory factory{static_cast<unsigned>(std::atoi(argv[2]))};
    qsim::Circuit<qsim::Operation<float>> circuit;
    if (!qsim::CircuitQsimParser<qsim::IOFile>::FromFile(1u << 31, argv[1], circuit)) {
        return 1;
    }
    Factory::StateSpace space = factory.CreateStateSpace();
    auto state = space.Create(circuit.num_qubits);
    Runner::Parameter parameter;
    parameter.max_fused_size = static_cast<unsigned>(std::atoi(argv[3]));
    parameter.seed = 1;
    parameter.verbosity = 0;
    qsim::SetFlushToZeroAndDenormalsAreZeros();
    for (int c = std::getchar(); c != EOF; c = std::getchar()) {
        if (c != '\n') {
            continue;
        }
        const auto start = std::chrono::steady_clock::now();
        const std::clock_t cpu = std::clock();
        space.SetStateZero(state);
        if (!Runner::Run(parameter, factory, circuit, state)) {
            return 1;
        }
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        std::printf("%.9f %.6f\n", took.count(),
                    static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC);
        std::fflush(stdout);
    }
    return 0;
}
