const search = document.getElementById("search");
search.addEventListener("input", () => {
  const wanted = search.value.toLowerCase();
  for (const snapshot of document.querySelectorAll("details.snapshot")) {
    const files = [...snapshot.querySelectorAll("details.file")];
    const fitting = files.filter((file) => file.dataset.path.toLowerCase().includes(wanted));
    for (const file of files) file.classList.toggle("hidden", !fitting.includes(file));
    snapshot.classList.toggle("hidden", wanted !== "" && fitting.length === 0);
  }
});
