/** Rules: the list with one open beside it, or one that is being made or edited. What is open is in the query. */
import { decoded, usePlace } from "../../place.ts";
import { Details } from "./details.tsx";
import { EditorPage } from "./editorpage.tsx";
import { List } from "./list.tsx";
import "./rules.css";

export default function Rules() {
  const { path, query } = usePlace();
  const edited = query.get("edit");
  const copied = query.get("copy");
  if (edited || copied || query.has("new"))
    return <EditorPage edited={edited} copied={copied} template={query.get("new")} />;
  const open = query.get("rule") ?? named(path);
  return (
    <div className={open ? "rules beside" : "rules"}>
      <List open={open} />
      {open && <Details key={open} id={open} />}
    </div>
  );
}

/** `/rules/hot-cpu` is a link that other views and people write; what follows from here is in the query. */
function named(path: string): string | null {
  const [, , id] = path.split("/");
  return id ? decoded(id) : null;
}
