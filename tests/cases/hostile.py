"""Write hostile workflow files into the current directory, one of each kind, and print how lint must end: FILE EXIT, a line each."""
import itertools
head = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n"
steps = "    steps: [{run: x}]\n"
anchor = lambda i: chr(97 + i)
rows = lambda n, text: "".join(text.replace("@", str(i)).replace("%", str(i + 1)) for i in range(n))
bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
	f"{anchor(i + 1)}: &{anchor(i + 1)} [{','.join(['*' + anchor(i)] * 9)}]\n" for i in range(12))
wrong = {  # an error each
	"bomb": bomb + "on: push\njobs: {}\n",
	"anchors": "x: [" + rows(45000, "&a@ y, ") + "*a0, " * 80000 + "]\non: push\njobs: {}\n",
	"deep": head + steps + "    env: " + "{a: " * 200 + "x" + "}" * 200 + "\n",
	"flow": "on: push\njobs: " + "[" * 100000 + "\n",
	"jobs": "on: push\njobs:\n" + rows(20000, "  j@: {runs-on: x}\n"),
	"cycle": "on: push\njobs:\n" + rows(10000, "  j@: {runs-on: ubuntu-latest, steps: [{run: x}], needs: j%}\n").replace("j10000}", "j0}"),
	"matrix": head + "    strategy:\n      matrix:\n"  # 10^9 combinations
		+ "".join(f"        v{k}: {list(range(1000))}\n" for k in range(3)) + steps,
	"keys": head + "    strategy:\n      matrix:\n" + rows(30000, "        v@: [1]\n") + steps,
	"exclude": head + f"    strategy:\n      matrix:\n        a: {list(range(250))}\n"
		+ f"        b: {list(range(250))}\n        exclude:\n" + rows(30000, "          - {a: @}\n") + steps,
	"events": "on: [" + rows(100000, "e@, ") + "]\njobs:\n  a:\n    runs-on: ubuntu-latest\n" + steps,
	"parens": head + "    if: " + "(" * 20990 + "1\n" + steps,
	"nots": head + "    if: ${{ " + "!" * 20000 + "1 }}\n" + steps,
	"long": head + "    if: x == '" + "y" * 21000 + "'\n" + steps,
	"mistakes": head + "    steps:\n" + ("      - run: " + "${{ x }}" * 2500 + "\n") * 48,
	"taint": "on: push\nenv: {E0: '${{ github.head_ref }}'}\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n"
		+ rows(9000, "      - {run: 'echo ${{ env.E@ }}', env: {E%: '${{ env.E@ }}'}}\n"),
	"ids": head + "    steps:\n" + rows(15000, "      - {id: s@, run: 'echo ${{ steps.s%.outputs.x }}'}\n"),
	"glob": "on: {push: {branches: ['" + "*a" * 400000 + "']}}\njobs: {}\n",
	"branches": "on: {push: {branches: ['" + "*a" * 1000 + "']}}\njobs:\n  a: {runs-on: ubuntu-latest, steps: [{run: x}]}\n",
	"nul": "on: push\njobs: {a: \"x\0y\"}\n",
	"utf8": b"on: push\njobs: {a: \"x\xff\xfey\"}\n",
	"utf16": (head + steps).encode("utf-16"),
}
unreadable = {"scalar": "a: '" + "x" * 100_000_000 + "'\n"}
sound = {  # as large as they are
	"crlf": (head + steps).replace("\n", "\r\n"),
	"bom": "\ufeff" + head + steps,
	"many": "on: push\njobs:\n  j0: {runs-on: ubuntu-latest, steps: [{run: x}]}\n"
		+ rows(9999, "  j%: {runs-on: ubuntu-latest, steps: [{run: x}], needs: j@}\n"),
	"needs": "on: push\njobs:\n" + "".join(
		f"  j{i}: {{runs-on: ubuntu-latest, steps: [{{run: x}}], needs: {[f'j{k}' for k in range(max(0, i - 120), i)]}}}\n".replace("'", "")
		for i in range(1000)),
	"outputs": "on: push\njobs:\n  a: {runs-on: ubuntu-latest, steps: [{run: x}], outputs: {" + rows(5000, "o@: x, ")
		+ "}}\n  b:\n    needs: a\n    runs-on: ubuntu-latest\n" + steps + "    env:\n" + rows(20000, "      e@: ${{ needs.a.outputs.o1 }}\n"),
	"wide": "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n" + steps + "    outputs: {" + rows(70000, "o@: x, ") + "}\n",
	"value": head + "    strategy: {matrix: {v: [{" + rows(90000, "k@: 1, ") + "}]}}\n" + steps,
	"cases": head + "    strategy: {matrix: {v: [{"  # keys that are alike but for case
		+ ", ".join("".join(k) + ": 1" for k in itertools.islice(itertools.product(*["aA"] * 16), 45000)) + "}]}}\n" + steps,
	"chain": head + "    if: " + "github.ref == 'x' && " * 990 + "true\n" + steps,
	"aliases": head + "    env: {A: &x '" + "${{ github.ref }}" * 1000 + "'" + rows(550, ", B@: *x") + "}\n" + steps,
	"comments": head + "    steps:\n" + rows(20000, "      - run: x # stepcell: ignore[x@]\n"),
}
for files, status in (wrong, 1), (unreadable, 2), (sound, 0):
	for name, text in files.items():
		open(name + ".yml", "wb").write(text if isinstance(text, bytes) else text.encode())
		print(name + ".yml", status)
