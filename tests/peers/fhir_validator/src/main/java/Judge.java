import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import com.google.gson.Gson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.UnknownCodeSystemWarningValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;

/** Judge RESOURCES PACKAGE...: each *.json of a folder against R4, the profiles that it claims and the packages; one JSON line a message. Offline. */
public final class Judge {
  public static void main(String[] args) throws IOException {
    FhirContext context = FhirContext.forR4();
    PrePopulatedValidationSupport packages = new PrePopulatedValidationSupport(context);
    for (int index = 1; index < args.length; index++) {
      load(context, packages, Path.of(args[index]));
    }
    UnknownCodeSystemWarningValidationSupport unknown = new UnknownCodeSystemWarningValidationSupport(context);
    unknown.setNonExistentCodeSystemSeverity(IValidationSupport.IssueSeverity.WARNING);
    ValidationSupportChain chain =
        new ValidationSupportChain(
            packages,
            new DefaultProfileValidationSupport(context),
            new CommonCodeSystemsTerminologyService(context),
            new InMemoryTerminologyServerValidationSupport(context),
            new SnapshotGeneratingValidationSupport(context),
            unknown);
    FhirInstanceValidator module = new FhirInstanceValidator(chain);
    module.setErrorForUnknownProfiles(true);
    module.setAnyExtensionsAllowed(false);
    FhirValidator validator = context.newValidator().registerValidatorModule(module);
    Gson gson = new Gson();
    for (Path file : jsons(Path.of(args[0]))) {
      long start = System.nanoTime();
      for (SingleValidationMessage each : validator.validateWithResult(Files.readString(file)).getMessages()) {
        Map<String, String> line = new LinkedHashMap<>();
        line.put("file", file.getFileName().toString());
        line.put("severity", each.getSeverity().getCode());
        line.put("id", each.getMessageId());
        line.put("location", each.getLocationString());
        line.put("text", each.getMessage());
        System.out.println(gson.toJson(line));
      }
      System.out.println(gson.toJson(Map.of("file", file.getFileName().toString(), "ms", (System.nanoTime() - start) / 1_000_000)));
    }
  }

  private static void load(FhirContext context, PrePopulatedValidationSupport packages, Path folder) throws IOException {
    List<String> kinds = List.of("StructureDefinition", "ValueSet", "CodeSystem");
    for (Path file : jsons(folder)) {
      if (kinds.stream().anyMatch(file.getFileName().toString()::startsWith)) {
        packages.addResource(context.newJsonParser().parseResource(Files.readString(file)));
      }
    }
  }

  private static List<Path> jsons(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      return files.filter(file -> file.toString().endsWith(".json")).sorted().collect(Collectors.toList());
    }
  }
}
