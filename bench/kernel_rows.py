"""Rows about single kernels: t-SNE against scikit-learn, and our own micro-benchmarks as they are."""
from measure import Place, kernel, peer
from rows import Line, Row, compared


def tsne_row(place: Place) -> Row:
    sizes = (200,) if place.quick else (1000, 2000, 5000, 10_000)

    def ours() -> dict:
        found = {}
        for n in sizes:
            (entry,) = kernel(place, f"^tsne/{n}/", threads=place.threads).values()
            found |= {f"{n}": entry["seconds"], f"{n} divergence": entry["divergence"]}
        return found

    def theirs() -> dict:
        return peer(place, "tsne", sizes=sizes)

    def lines(m: dict) -> list[Line]:
        return [compared(f"t-SNE of {n:,} points", m["ours"][f"{n}"], m["scikit-learn"][f"{n}"], "s", "scikit-learn, Barnes-Hut", 1.0,
                         note=f"KL divergence {m['ours'][f'{n} divergence']:.3f}, scikit-learn's {m['scikit-learn'][f'{n} divergence']:.3f}")
                for n in sizes]

    return Row("tsne", "t-SNE against scikit-learn's Barnes-Hut", {"ours": ours, "scikit-learn": theirs}, lines, repeats=1)


def kernels_row(place: Place) -> Row:
    def ours() -> dict:
        found = kernel(place, "^(matmul|attention|gram)", threads=place.threads)
        return {name.removesuffix("/real_time"): entry["flops"] / 1e9 for name, entry in found.items()}

    def lines(m: dict) -> list[Line]:
        rates = m["ours"]
        peaks = {kind: max(rate for name, rate in rates.items() if name.startswith(f"matmul-{kind}")) for kind in ("fp32", "bf16")}
        return [Line(name.replace("/", " "), rate, "GFLOP/s", note="" if name.startswith("gram") else
                     f"{100 * rate / peaks['bf16' if 'bf16' in name else 'fp32']:.0f} % of the fastest product of this type")
                for name, rate in rates.items()]

    return Row("kernels", "matrix products, attention and Gram on their own", {"ours": ours}, lines)


def rows(place: Place) -> list[Row]:
    return [tsne_row(place), kernels_row(place)]
