// A form drawn from a schema with the plain renderer: the fields that `secrets` names are masked, and the schema alone
// decides what is refused, in the words of the validator.
import Form from "@rjsf/core";
import validator from "@rjsf/validator-ajv8";
import { createRoot } from "react-dom/client";

const root = createRoot(document.getElementById("form"));

function appearance(schema) {
  const fields = Object.keys(schema.properties).map((name) => {
    const options = {};
    if (schema.secrets.includes(name)) {
      options.widget = "password";
      options.autocomplete = "new-password";
    }
    return [name, { "ui:options": options, items: { "ui:label": false } }];
  });
  return { ...Object.fromEntries(fields), "ui:submitButtonOptions": { submitText: "Save" } };
}

window.draw = (schema) => {
  window.saved = null;
  root.render(
    <Form
      key={schema.title}
      schema={schema}
      uiSchema={appearance(schema)}
      validator={validator}
      onSubmit={({ formData }) => {
        window.saved = formData;
      }}
      onError={() => {
        window.saved = null;
      }}
      noHtml5Validate
      showErrorList={false}
      focusOnFirstError
    />,
  );
};
